/** Packages as dpkg knows them. */
import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import { readText } from '../machine/read.ts';
import { capture } from '../process/capture.ts';
import { runText, runWords } from '../process/through-cmd.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { changesBetween } from './pkg/installed.ts';

const doc = docFor('lowpkg');
const names = (a: Args): string[] => (a['args'] as Py[]).map((n) => str(n));

/** Rows of dpkg-query, or the text of its complaint. */
function query(format: string, a: Args, ctx: ModuleCtx): string[][] | string {
  const r = runWords(ctx, ['dpkg-query', `-f=${format}\n`, '-W', ...names(a)]);
  if (r.code !== 0) {
    ctx.log.error(`Error:  ${r.stderr}`);
    return `Error:  ${r.stderr}`;
  }
  return r.stdout.split('\n').map((l) => l.split('\t'));
}

const installed = (rows: string[][]): string[][] => rows.filter((r) => r[0] === 'installed').map((r) => r.slice(1));

function binInfo(a: Args, ctx: ModuleCtx): PyDict {
  let path = str(a['path'] as Py);
  if (truth(ctx.salt.call('config.valid_fileproto', [path]))) {
    const cached = ctx.salt.call('cp.cache_file', [path, a['saltenv'] as Py]);
    if (!truth(cached))
      throw new SaltError(
        'CommandExecutionError',
        `Unable to retrieve ${path} from saltenv '${str(a['saltenv'] as Py)}'`,
      );
    path = str(cached);
  } else if (!existsSync(path)) throw new SaltError('CommandExecutionError', `${path} does not exist on minion`);
  else if (!isAbsolute(path)) throw new SaltError('SaltInvocationError', `${path} does not exist on minion`);
  const r = capture('dpkg', ['-I', path]);
  if (r.code !== 0)
    throw new SaltError(
      'CommandExecutionError',
      [`Unable to get info for ${path}`, r.stderr].filter(Boolean).join(': '),
    );
  const field = (name: string): string | undefined =>
    new RegExp(`^\\s*${name} *:.*?(\\S+)\\s*$`, 'm').exec(r.stdout)?.[1];
  const found = { name: field('Package'), version: field('Version'), arch: field('Architecture') };
  const missing = Object.entries(found).filter(([, v]) => v === undefined);
  if (missing.length)
    throw new SaltError('CommandExecutionError', `Unable to get ${missing.map(([k]) => k).join(', ')} for ${path}`);
  const foreign = ctx.grains.get('osarch') === 'amd64' && found.arch !== 'all' && found.arch !== 'amd64';
  return new PyDict<Py>([
    ['name', foreign ? `${found.name}:${found.arch}` : (found.name as string)],
    ['version', found.version as string],
    ['arch', found.arch as string],
  ]);
}

const FIELDS: readonly [name: string, dpkg: string][] = [
  ['package', 'Package'],
  ['revision', 'binary:Revision'],
  ['architecture', 'Architecture'],
  ['maintainer', 'Maintainer'],
  ['summary', 'Summary'],
  ['source', 'source:Package'],
  ['version', 'Version'],
  ['section', 'Section'],
  ['size', 'Size'],
  ['MD5', 'MD5sum'],
  ['SHA1', 'SHA1'],
  ['SHA256', 'SHA256'],
  ['origin', 'Origin'],
  ['homepage', 'Homepage'],
  ['status', 'db:Status-Abbrev'],
  ['install_date', 'db-fsys:Last-Modified'],
];
/** Ends a package's block: nothing a description holds. */
const END = '*/~^\\*';

function licenses(name: string): string {
  const text = readText(`/usr/share/doc/${name}/copyright`) ?? '';
  return [...new Set([...text.matchAll(/^License:(.*)$/gm)].map((m) => (m[1] as string).trim()))].sort().join(', ');
}

function info(a: Args): PyDict {
  const format = `${FIELDS.map(([n, f]) => `${n}:\${${f}}\\n`).join('')}description:\${Description}\\n\\n${END.replace('\\', '\\\\')}\\n`;
  const r = capture('dpkg-query', ['-W', `-f=${format}`, ...names(a)]);
  const ret = new PyDict();
  if (r.code !== 0) {
    if ((a['kwargs'] as PyDict).get('failhard') === false) return ret;
    throw new SaltError('CommandExecutionError', `Error getting packages information: ${r.stderr}`);
  }
  for (const block of `${r.stdout}\n`.split(`${END}\n`)) {
    const at = block.indexOf('\ndescription:');
    if (at < 0) continue;
    const d = new PyDict();
    for (const line of block
      .slice(0, at)
      .split('\n')
      .map((l) => l.trim())
      .filter(Boolean)) {
      const colon = line.indexOf(':');
      const key = line.slice(0, colon);
      let value = line.slice(colon + 1);
      if (key === 'install_date')
        value = /^\d+$/.test(value) ? `${new Date(Number(value) * 1000).toISOString().slice(0, 19)}Z` : '';
      if (value) d.set(key, value);
    }
    d.set('description', block.slice(at + '\ndescription:'.length).replace(/\n$/, ''));
    const name = str(d.get('package') as Py);
    const license = licenses(name);
    if (license) d.set('license', license);
    ret.set(name, d);
  }
  return ret;
}

export default {
  virtual: (ctx) =>
    ctx.grains.get('os_family') === 'Debian'
      ? 'lowpkg'
      : { reason: 'The dpkg execution module cannot be loaded: only works on Debian family systems.' },
  doc: 'Asks dpkg about packages and their files.',
  functions: {
    bin_pkg_info: fn(
      "bin_pkg_info(path, saltenv='base')",
      doc('Name, version and architecture of a package file.', 'bin_pkg_info /root/a.deb', 'bin_pkg_info salt://a.deb'),
      binInfo,
    ),
    list_pkgs: fn(
      'list_pkgs(*args, **kwargs)',
      doc('Installed packages with their versions: all, or those named.', 'list_pkgs', 'list_pkgs bash'),
      (a, ctx: ModuleCtx) => {
        const rows = query('${db:Status-Status}\t${binary:Package}\t${Version}', a, ctx);
        return typeof rows === 'string'
          ? rows
          : new PyDict(installed(rows).map(([n = '', v = '']): [Py, Py] => [n, v]));
      },
    ),
    file_list: fn(
      'file_list(*args, **kwargs)',
      doc('Files of packages: of all, or of those named.', 'file_list bash'),
      (a, ctx: ModuleCtx) => {
        const rows = query('${db:Status-Status}\t${binary:Package}', a, ctx);
        if (typeof rows === 'string') return rows;
        const found = new Set(installed(rows).flatMap(([n = '']) => capture('dpkg', ['-L', n]).stdout.split('\n')));
        return new PyDict<Py>([
          ['errors', []],
          ['files', [...found].sort()],
        ]);
      },
    ),
    file_dict: fn(
      'file_dict(*args, **kwargs)',
      doc('Files of packages, by package.', 'file_dict bash'),
      (a, ctx: ModuleCtx) => {
        const rows = query('${db:Status-Status}\t${binary:Package}', a, ctx);
        if (typeof rows === 'string') return rows;
        return new PyDict<Py>([
          ['errors', []],
          [
            'packages',
            new PyDict(installed(rows).map(([n = '']): [Py, Py] => [n, capture('dpkg', ['-L', n]).stdout.split('\n')])),
          ],
        ]);
      },
    ),
    info: fn(
      'info(*args, **kwargs)',
      doc('What dpkg knows of packages. failhard=False leaves unknown ones out.', 'info bash'),
      info,
    ),
    unpurge: fn(
      'unpurge(*args)',
      doc('Marks packages that were to be purged as wanted again.', 'unpurge nginx'),
      (a, ctx: ModuleCtx) => {
        if (!names(a).length) return new PyDict();
        const now = (): PyDict => ctx.salt.call('pkg.list_pkgs', [], { purge_desired: true }) as PyDict;
        const old = now();
        runText(ctx, ['dpkg', '--set-selections'], {
          stdin: names(a)
            .map((n) => `${n} install`)
            .join('\\n'),
          output_loglevel: 'trace',
        });
        return changesBetween(old, now());
      },
    ),
  },
} satisfies ExecutionModule;
