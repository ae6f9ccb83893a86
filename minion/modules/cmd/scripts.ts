/** `cmd.script`, `cmd.exec_code`: programs that come as text or from the file server and are run from a private temporary file. */

import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import type { Args } from '../../../sls/signature.ts';
import { iterate, str, truth } from '../../../sls/values.ts';
import { accountOf } from '../../process/accounts.ts';
import { shellSplit } from '../../process/shell-words.ts';
import type { ModuleCtx } from '../contract.ts';
import { execute, shellDefault } from './execute.ts';

/** A new empty file that only its owner may read; the name's form is the reference's. */
function temporary(folder: string, suffix: string, text = ''): string {
  for (;;) {
    const path = join(folder, `__salt.tmp.${randomBytes(6).toString('hex')}${suffix}`);
    try {
      writeFileSync(path, text, { flag: 'wx', mode: 0o600 });
      return path;
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e;
    }
  }
}

function giveTo(path: string, runas: Py): void {
  if (runas === null || runas === undefined) return;
  const a = accountOf(str(runas));
  if (a) chownSync(path, a.uid, a.gid);
}

const notCached = (): PyDict =>
  new PyDict<Py>([
    ['pid', 0],
    ['retcode', 1],
    ['stdout', ''],
    ['stderr', ''],
    ['cache_error', true],
  ]);

/** Fetches a script, renders it where asked, runs it with arguments and removes it. */
export function runScript(a: Args, ctx: ModuleCtx): PyDict {
  const kwargs = a['kwargs'] instanceof PyDict ? a['kwargs'] : new PyDict();
  kwargs.delete('__env__');
  const saltenv = a['saltenv'] ?? ctx.opts.get('saltenv') ?? 'base';
  const source = str(a['source'] as Py);
  const bare = source.startsWith('salt://') ? source.split(/[?]saltenv=/)[0]! : source;
  const folder = truth(a['cwd'] ?? null) ? str(a['cwd'] as Py) : tmpdir();
  const path = temporary(folder, extname(bare));
  try {
    if (truth(a['template'] ?? null)) {
      const context = new PyDict(kwargs);
      const got = ctx.salt.call('cp.get_template', [source, path, a['template'] as Py, saltenv], context);
      if (!truth(got)) return notCached();
    } else {
      const cached = ctx.salt.call('cp.cache_file', [source, saltenv]);
      if (!truth(cached)) return notCached();
      try {
        copyFileSync(str(cached), path);
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code === 'ENOENT') return notCached();
        throw e;
      }
    }
    chmodSync(path, 0o500);
    giveTo(path, a['runas'] ?? null);
    const args = a['args'] ?? null;
    const words: Py[] = typeof args === 'string' ? shellSplit(args) : truth(args) ? [...iterate(args)] : [];
    const pythonShell = truth(args) ? false : shellDefault(a['python_shell'] ?? null, kwargs, ctx);
    try {
      const r = execute({ ...a, cmd: [path, ...words], template: null, kwargs }, { pythonShell }, ctx);
      return answer(
        r.pid,
        r.retcode,
        truth(a['hide_output'] ?? false) ? '' : r.stdout,
        truth(a['hide_output'] ?? false) ? '' : r.stderr,
      );
    } catch (e) {
      if (!(e instanceof SaltError) || !['CommandExecutionError', 'SaltInvocationError'].includes(e.code)) throw e;
      ctx.log.error(`cmd.script: Unable to run script '${str([path, ...words])}': ${e.message}`);
      return truth(a['hide_output'] ?? false)
        ? new PyDict<Py>([
            ['stderr', ''],
            ['stdout', ''],
          ])
        : new PyDict();
    }
  } finally {
    rmSync(path, { force: true });
  }
}

/** The map `cmd.run_all` answers, in the reference's order of keys. */
export function answer(pid: Py, retcode: Py, stdout: string, stderr: string): PyDict {
  return new PyDict<Py>([
    ['pid', pid],
    ['retcode', retcode],
    ['stdout', stdout],
    ['stderr', stderr],
  ]);
}

/** Runs source text with an interpreter. */
export function execCode(a: Args, ctx: ModuleCtx): PyDict {
  const lang = str(a['lang'] as Py);
  const powershell = lang.toLowerCase().startsWith('powershell');
  const path = temporary(tmpdir(), powershell ? '.ps1' : '', str(a['code'] as Py));
  const kwargs = a['kwargs'] instanceof PyDict ? a['kwargs'] : new PyDict();
  try {
    const args = a['args'];
    const more: Py[] = typeof args === 'string' ? [args] : Array.isArray(args) ? args : [];
    giveTo(path, kwargs.get('runas') ?? null);
    const rest = new PyDict(kwargs);
    rest.set('python_shell', false);
    return ctx.salt.call(
      'cmd.run_all',
      [[...(powershell ? [lang, '-File'] : [lang]), path, ...more], a['cwd'] ?? null],
      rest,
    ) as PyDict;
  } finally {
    rmSync(path, { force: true });
  }
}
