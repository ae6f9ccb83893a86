/** Installing and removing packages with apt-get. */
import { SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict, PyTuple } from '../../../bus/values.ts';
import { fnmatch } from '../../../sls/fnmatch.ts';
import type { Args } from '../../../sls/signature.ts';
import { iterate, str, truth } from '../../../sls/values.ts';
import type { ModuleCtx } from '../contract.ts';
import { apt, failure } from './apt.ts';
import { changesBetween, packageDict, readInstalled } from './installed.ts';
import { compareVersions, versionHolds } from './versions.ts';

/** Whether a flag that may be text is on. */
export function isTrue(v: Py | undefined): boolean {
  if (typeof v === 'string') return v.toLowerCase() === 'true' || /^[1-9]\d*$/.test(v);
  return truth(v ?? null);
}

const listNow = (ctx: ModuleCtx, removed = false): PyDict =>
  packageDict(readInstalled(ctx), { asList: false, removed, purgeDesired: false });

/** The first version of those there are that a condition such as `>=1.2,<2` fits, the newest first. */
export function matchingVersion(
  condition: string,
  candidates: readonly string[],
  ignoreEpoch: boolean,
): string | undefined {
  const newest = [...candidates].sort((a, b) => compareVersions(b, a));
  return newest.find((v) =>
    condition.split(',').every((part) => {
      const m = /^\s*(<=|>=|<|>|==|=)?\s*(.+?)\s*$/.exec(part);
      return (
        m !== null && versionHolds(v, m[1] === '=' || m[1] === undefined ? '==' : m[1], m[2] as string, ignoreEpoch)
      );
    }),
  );
}

/** Packages and what is wanted of each, as `pkg_resource.parse_targets` answers them. */
function targets(
  a: Args,
  kwargs: PyDict,
  ctx: ModuleCtx,
): { packages: [name: string, want: string | null][]; files: string[] } {
  const more: Record<string, Py> = { normalize: a['normalize'] ?? true };
  for (const [k, v] of kwargs) if (!str(k).startsWith('__')) more[str(k)] = v;
  const got = ctx.salt.call(
    'pkg_resource.parse_targets',
    [a['name'] ?? null, a['pkgs'] ?? null, a['sources'] ?? null],
    more,
  );
  if (!(got instanceof PyTuple)) return { packages: [], files: [] };
  const [what, kind] = got as unknown as [Py, Py];
  if (kind === 'file' && Array.isArray(what)) return { packages: [], files: what.map((x) => str(x as Py)) };
  if (!(what instanceof PyDict)) return { packages: [], files: [] };
  return { packages: [...what].map(([k, v]) => [str(k), v === null ? null : str(v)]), files: [] };
}

const FORCE_OLD = ['-o', 'DPkg::Options::=--force-confold', '-o', 'DPkg::Options::=--force-confdef'];

/** `pkg.install`: the changes, an empty map when all is as wanted. */
export function install(a: Args, ctx: ModuleCtx): PyDict {
  const kwargs = a['kwargs'] as PyDict;
  const on = (k: string): boolean => truth(kwargs.get(k) ?? null);
  if (truth(a['debconf'] ?? null)) ctx.salt.call('debconf.set_file', [a['debconf'] as Py]);
  const wanted = targets(a, kwargs, ctx);
  if (!wanted.packages.length && !wanted.files.length) return new PyDict();
  const refresh = isTrue(a['refresh']) && needsRefresh(a, kwargs, ctx);
  const repo = truth(a['fromrepo'] ?? null)
    ? str(a['fromrepo'] as Py)
    : on('repo')
      ? str(kwargs.get('repo') as Py)
      : '';
  const old = listNow(ctx);
  const errors: string[] = [];
  const normal: string[] = [];
  const downgrade: string[] = [];
  const again = new Map<string, string>();

  const sort = (name: string, word: string, version: string): void => {
    const have = str(old.get(name) ?? '');
    const order = have === '' ? 1 : compareVersions(version, have, isTrue(a['ignore_epoch']));
    if (truth(a['reinstall'] ?? false) && have !== '' && order === 0) again.set(name, word);
    else if (order >= 0) normal.push(word);
    else downgrade.push(word);
  };
  for (const file of wanted.files) {
    const info = ctx.salt.call('lowpkg.bin_pkg_info', [file]) as PyDict;
    sort(str(info.get('name') as Py), file, str(info.get('version') as Py));
  }
  const single = truth(a['name'] ?? null) && !truth(a['pkgs'] ?? null) && wanted.packages.length === 1 && on('version');
  for (const [name, want] of wanted.packages) {
    const text = single ? str(kwargs.get('version') as Py) : want;
    if (text === null) {
      if (truth(a['reinstall'] ?? false) && old.has(name)) again.set(name, name);
      else normal.push(name);
      continue;
    }
    let version = text.replace(/^=+/, '');
    if (/^[<>]/.test(text)) {
      const there = ctx.salt.call('pkg.list_repo_pkgs', [name]);
      const candidates =
        there instanceof PyDict && Array.isArray(there.get(name)) ? (there.get(name) as Py[]).map((x) => str(x)) : [];
      const found = matchingVersion(text, candidates, isTrue(a['ignore_epoch']));
      if (found === undefined) {
        errors.push(
          `No version matching '${name}${text}' could be found (available: ${candidates.join(', ') || 'None'})`,
        );
        continue;
      }
      version = found;
    }
    sort(name, `${name}=${version}`, version);
  }

  const head: string[] = ['apt-get', '-q', '-y'];
  if (on('force_yes')) head.push('--force-yes');
  head.push(...(on('force_conf_new') ? ['-o', 'DPkg::Options::=--force-confnew'] : FORCE_OLD));
  if (kwargs.has('install_recommends'))
    head.push(on('install_recommends') ? '--install-recommends' : '--no-install-recommends');
  if (on('only_upgrade')) head.push('--only-upgrade');
  if (truth(a['skip_verify'] ?? false)) head.push('--allow-unauthenticated');
  if (repo && !wanted.files.length) head.push('-t', repo);
  const download = truth(a['downloadonly'] ?? false) ? ['--download-only'] : [];
  const commands: string[][] = [];
  if (normal.length) commands.push([...head, 'install', ...normal, ...download]);
  if (downgrade.length)
    commands.push([
      ...head,
      ...(wanted.files.length || on('force_yes') ? [] : ['--allow-downgrades']),
      'install',
      ...downgrade,
      ...download,
    ]);
  if (again.size)
    commands.push([...head, 'install', ...(wanted.files.length ? [] : ['--reinstall']), ...again.values()]);

  let ret = new PyDict();
  if (commands.length) {
    if (refresh) ctx.salt.call('pkg.refresh_db', [kwargs.get('cache_valid_time') ?? 0]);
    const names = [...normal, ...again.keys()].map((t) => t.split('=')[0]);
    const heldNow = ctx.salt.call('pkg.get_selections', [], { state: 'hold' }) as PyDict;
    const held = [...iterate(heldNow.get('hold') ?? [])].filter((p) => names.includes(str(p)));
    if (held.length) ctx.salt.call('pkg.unhold', [], { pkgs: held });
    for (const c of commands) {
      const r = apt(c, ctx);
      if (r.code !== 0 && r.stderr) errors.push(r.stderr);
    }
    const now = listNow(ctx);
    ret = changesBetween(old, now);
    for (const name of again.keys())
      if (!ret.has(name))
        ret.set(
          name,
          new PyDict<Py>([
            ['old', old.get(name) ?? ''],
            ['new', now.get(name) ?? ''],
          ]),
        );
    if (held.length) ctx.salt.call('pkg.hold', [], { pkgs: held });
  }
  if (errors.length)
    throw failure(
      'Problem encountered installing package(s)',
      new PyDict<Py>([
        ['errors', errors],
        ['changes', ret],
      ]),
      ctx,
    );
  return ret;
}

/** Whether asking the sources anew can matter: not when the versions asked for are known already. */
function needsRefresh(a: Args, kwargs: PyDict, ctx: ModuleCtx): boolean {
  const newest = (name: Py): Py =>
    ctx.salt.call('pkg.latest_version', [name], { refresh: false, show_installed: true });
  if (truth(a['pkgs'] ?? null))
    return [...iterate(a['pkgs'] as Py)].some(
      (p) => !(p instanceof PyDict) || [...p].some(([n, v]) => newest(n) !== v),
    );
  const version = kwargs.get('version');
  return !truth(version ?? null) || newest(a['name'] as Py) !== version;
}

/** `pkg.remove` and `pkg.purge`. */
export function uninstall(action: 'remove' | 'purge', a: Args, ctx: ModuleCtx): PyDict {
  const wanted = targets({ ...a, normalize: true, sources: null }, new PyDict(), ctx).packages.map(([n]) => n);
  if (!wanted.length) throw new SaltError('CommandExecutionError', 'No package sources provided');
  const fits = (all: PyDict): string[] =>
    [...all.keys()].map((k) => str(k)).filter((n) => wanted.some((w) => fnmatch(n, w)));
  const old = listNow(ctx);
  const oldRemoved = listNow(ctx, true);
  const names = [...fits(old), ...(action === 'purge' ? fits(oldRemoved) : [])];
  if (!names.length) return new PyDict();
  const r = apt(['apt-get', '-q', '-y', action, ...names], ctx);
  const changes = changesBetween(old, listNow(ctx));
  const ret =
    action === 'remove'
      ? changes
      : new PyDict<Py>([
          ['removed', changesBetween(oldRemoved, listNow(ctx, true))],
          ['installed', changes],
        ]);
  if (r.code !== 0 && r.stderr)
    throw failure(
      'Problem encountered removing package(s)',
      new PyDict<Py>([
        ['errors', [r.stderr]],
        ['changes', ret],
      ]),
      ctx,
    );
  return ret;
}
