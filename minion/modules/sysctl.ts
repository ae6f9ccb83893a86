/** Parameters of the Linux kernel. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { fn } from '../../sls/signature.ts';
import { str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('sysctl');
/** The first systemd that reads `/etc/sysctl.d` alone. */
const SYSTEMD_FOLDER = 207;

function which(ctx: ModuleCtx): string {
  const path = ctx.salt.call('cmd.which', ['sysctl']);
  if (typeof path === 'string' && path) return path;
  throw new SaltError('CommandExecutionError', "Command 'sysctl' cannot be found");
}

function defaultConfig(ctx: ModuleCtx): string {
  if (!existsSync('/run/systemd/system')) return '/etc/sysctl.conf';
  const told = str(ctx.salt.call('cmd.run', [['systemctl', '--version']], { python_shell: false }));
  const version = Number(/^systemd (\d+)/.exec(told)?.[1] ?? 0);
  return version >= SYSTEMD_FOLDER ? '/etc/sysctl.d/99-salt.conf' : '/etc/sysctl.conf';
}

function inFile(path: string, ctx: ModuleCtx): Py {
  if (!existsSync(path)) return [];
  const out = new PyDict();
  try {
    for (const raw of readFileSync(path, 'utf8').split('\n')) {
      const line = raw.trim();
      const at = line.indexOf('=');
      if (at >= 0 && !line.startsWith('#')) out.set(line.slice(0, at).trimEnd(), line.slice(at + 1).trimStart());
    }
  } catch (e) {
    ctx.log.error(`Could not open sysctl file: ${messageOf(e)}`);
    return null;
  }
  return out;
}

function inKernel(ctx: ModuleCtx): Py {
  const out = new PyDict();
  for (const line of str(ctx.salt.call('cmd.run_stdout', [[which(ctx), '-a']], { output_loglevel: 'trace' })).split(
    '\n',
  )) {
    const at = line.indexOf(' = ');
    if (at >= 0) out.set(line.slice(0, at), line.slice(at + 3));
  }
  return out;
}

const get = (name: string, ctx: ModuleCtx): string =>
  str(ctx.salt.call('cmd.run', [[which(ctx), '-n', name]], { python_shell: false }));

function assign(name: string, value: Py, ctx: ModuleCtx): PyDict {
  const wanted = str(value);
  const swapped = name.replace(/[./]/g, (c) => (c === '.' ? '/' : '.'));
  if (!existsSync(`/proc/sys/${swapped}`))
    throw new SaltError('CommandExecutionError', `sysctl ${name} does not exist`);
  const done = ctx.salt.call('cmd.run_all', [[which(ctx), '-w', `${name}=${wanted}`]], {
    python_shell: false,
  }) as PyDict;
  const out = str(done.get('stdout') ?? '');
  const err = str(done.get('stderr') ?? '');
  const [, left, right] = /^(.*?)\s+=\s+(.*)$/s.exec(out) ?? [];
  if (left !== name || right?.trimEnd() !== wanted || err.includes('Invalid argument')) {
    const error = done.get('retcode') !== 0 && err ? err : out;
    throw new SaltError('CommandExecutionError', `sysctl -w failed: ${error}`);
  }
  return new PyDict<Py>([[left, right as string]]);
}

/** A value whose blanks are told apart from none, but not from each other. */
const plain = (v: Py): string => str(v).replace(/\s+/g, '\t');

function persist(name: string, value: Py, config: string, ctx: ModuleCtx): string {
  if (!statSync(config, { throwIfNoEntry: false })?.isFile()) {
    mkdirSync(dirname(config), { recursive: true });
    writeConfig(config, '#\n# Kernel sysctl configuration\n#\n');
  }
  const line = `${name} = ${str(value)}\n`;
  let edited = false;
  let out = '';
  for (const old of readFileSync(config, 'utf8').match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const at = old.indexOf('=');
    if (at < 0 || old.slice(0, at).trim() !== name) {
      out += old;
      continue;
    }
    if (plain(old.slice(at + 1).trim()) === plain(value)) {
      if (plain(get(name, ctx)) === plain(value)) return 'Already set';
      assign(name, value, ctx);
      return 'Updated';
    }
    out += line;
    edited = true;
  }
  writeConfig(config, edited ? out : out + line);
  assign(name, value, ctx);
  return 'Updated';
}

function writeConfig(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (e) {
    throw new SaltError('CommandExecutionError', `Could not write to file: ${path}`, {}, { cause: e });
  }
}

export default {
  doc: 'Reads, sets and keeps parameters of the Linux kernel.',
  virtual: (ctx) =>
    ctx.grains.get('kernel') === 'Linux' || {
      reason: 'The linux_sysctl execution module cannot be loaded: only available on Linux systems.',
    },
  functions: {
    default_config: fn('default_config()', doc('The file that parameters are kept in.', 'default_config'), (_a, ctx) =>
      defaultConfig(ctx),
    ),
    show: fn(
      'show(config_file=False)',
      doc('All parameters of the kernel, or those of a file.', 'show', 'show /etc/sysctl.conf'),
      (a, ctx) => (truth(a['config_file'] as Py) ? inFile(str(a['config_file'] as Py), ctx) : inKernel(ctx)),
    ),
    get: fn('get(name)', doc('The value of a parameter.', 'get net.ipv4.ip_forward'), (a, ctx) =>
      get(str(a['name'] as Py), ctx),
    ),
    assign: fn(
      'assign(name, value)',
      doc('Sets a parameter until the next start.', 'assign net.ipv4.ip_forward 1'),
      (a, ctx) => assign(str(a['name'] as Py), a['value'] as Py, ctx),
    ),
    persist: fn(
      'persist(name, value, config=None)',
      doc('Sets a parameter and keeps it in a file.', 'persist net.ipv4.ip_forward 1'),
      (a, ctx) => {
        const config = (a['config'] ?? null) === null ? defaultConfig(ctx) : str(a['config'] as Py);
        return persist(str(a['name'] as Py), a['value'] as Py, config, ctx);
      },
    ),
  },
} satisfies ExecutionModule;
