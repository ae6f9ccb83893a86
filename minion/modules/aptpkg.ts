/** Packages of Debian and its family. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { iterate, str, truth } from '../../sls/values.ts';
import { loadYaml } from '../../sls/yaml.ts';
import { docFor } from '../doc-text.ts';
import { readLines } from '../machine/read.ts';
import { capture } from '../process/capture.ts';
import { which } from '../process/which.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { apt, failure } from './pkg/apt.ts';
import { install, isTrue, uninstall } from './pkg/install.ts';
import { changesBetween, packageDict, readInstalled } from './pkg/installed.ts';
import { findRepo, removeRepo, repoDict, type Source, wantedSource, writeRepo } from './pkg/sources.ts';
import { compareVersions } from './pkg/versions.ts';

const doc = docFor('pkg');
const text = (a: Args, key: string): string => str(a[key] as Py);
const kwargsOf = (a: Args): PyDict => a['kwargs'] as PyDict;
const namesOf = (a: Args): string[] => (a['args'] as Py[]).map((n) => str(n));
const listPkgs = (ctx: ModuleCtx): PyDict =>
  packageDict(readInstalled(ctx), { asList: false, removed: false, purgeDesired: false });

/** A package's name without the architecture every package here has. */
function normalized(name: string, ctx: ModuleCtx): string {
  const at = name.lastIndexOf(':');
  if (at < 0) return name;
  return [ctx.grains.get('osarch'), 'all', 'any'].includes(name.slice(at + 1)) ? name.slice(0, at) : name;
}

/** Newest version of each package that could be installed; empty for one that is installed and newest. */
function latest(a: Args, ctx: ModuleCtx): Py {
  const kw = kwargsOf(a);
  if (kw.has('repo'))
    throw new SaltError('SaltInvocationError', "The 'repo' argument is invalid, use 'fromrepo' instead");
  const names = namesOf(a);
  if (!names.length) return '';
  if (isTrue(kw.get('refresh') ?? true)) refreshDb(kw.get('cache_valid_time') ?? 0, false, kw, ctx);
  const from = kw.get('fromrepo');
  const out = apt(
    [
      'apt-cache',
      '-q',
      'policy',
      ...names,
      ...(truth(from ?? null) ? ['-o', `APT::Default-Release=${str(from as Py)}`] : []),
    ],
    ctx,
    { scope: false },
  ).stdout;
  const candidates = new Map<string, string>();
  let current = '';
  for (const line of out.split('\n').map((l) => l.trim())) {
    if (line.endsWith(':') && !line.startsWith('Version table')) current = line.slice(0, -1);
    else if (line.startsWith('Candidate')) {
      const v = line.split(/\s+/)[1] ?? '';
      candidates.set(current, v.toLowerCase() === '(none)' ? '' : v);
    }
  }
  const have = packageDict(readInstalled(ctx), { asList: true, removed: false, purgeDesired: false });
  const ret = new PyDict();
  for (const name of names) {
    const newest = candidates.get(name) ?? '';
    const installed = have.has(name) ? [...iterate(have.get(name) as Py)].map((v) => str(v)) : [];
    const upToDate = installed.some((v) => newest !== '' && compareVersions(v, newest) >= 0);
    ret.set(name, installed.length && !isTrue(kw.get('show_installed')) && (upToDate || newest === '') ? '' : newest);
  }
  return names.length === 1 ? (ret.get(names[0] as string) as Py) : ret;
}

/** `apt-get update`: true for a list that is new, None for one as before, False for one that failed. */
function refreshDb(validFor: Py, failhard: boolean, kwargs: PyDict, ctx: ModuleCtx): PyDict {
  const ret = new PyDict();
  if (truth(validFor)) {
    const stamp = statSync('/var/lib/apt/lists', { throwIfNoEntry: false })?.mtimeMs;
    if (stamp !== undefined && stamp + Number(validFor) * 1000 > Date.now()) return ret;
  }
  const timeout = kwargs.get('timeout') ?? ctx.opts.get('aptpkg_refresh_db_timeout') ?? 30;
  const update = ['apt-get', '-q', 'update'];
  let r = apt(update, ctx, { scope: false, options: { timeout } });
  if (r.stdout.includes('Timed out')) {
    apt(['apt-get', '-q', 'clean'], ctx, { scope: false });
    r = apt(update, ctx, { scope: false });
  }
  if (r.code !== 0) throw new SaltError('CommandExecutionError', r.stderr);
  const failed: string[] = [];
  for (const line of r.stdout.split('\n')) {
    const [first = '', ...rest] = line.trim().split(/\s+/);
    const ident = rest.join(' ');
    if (first.includes('Get')) ret.set(ident.replace(/ \[.+B\]$/, ''), true);
    else if (first.includes('Ign')) ret.set(ident, false);
    else if (first.includes('Hit')) ret.set(ident, null);
    else if (first.includes('Err')) {
      ret.set(ident, false);
      failed.push(ident);
    }
  }
  if (failhard && failed.length)
    throw new SaltError('CommandExecutionError', `Error getting repos: ${failed.join(', ')}`);
  return ret;
}

/** Packages by their state in a list of selections. */
function parseSelections(lines: readonly string[]): PyDict {
  const out = new PyDict();
  for (const line of lines) {
    const [name, state] = line.trim().split(/\s+/);
    if (!name || state === undefined) continue;
    if (!out.has(state)) out.set(state, []);
    (out.get(state) as Py[]).push(name);
  }
  return out;
}

function selections(pattern: string, state: Py): PyDict {
  const all = parseSelections(capture('dpkg', ['--get-selections', pattern || '*']).stdout.split('\n'));
  return truth(state) ? new PyDict([[state, all.get(state) ?? []]]) : all;
}

function setSelections(a: Args, ctx: ModuleCtx): PyDict {
  const ret = new PyDict();
  if (!truth(a['path'] as Py) && !truth(a['selection'] as Py)) return ret;
  if (truth(a['path'] as Py) && truth(a['selection'] as Py))
    throw new SaltError(
      'SaltInvocationError',
      "The 'selection' and 'path' arguments to pkg.set_selections are mutually exclusive, and cannot be specified together",
    );
  let wanted: Py = a['selection'] as Py;
  if (typeof wanted === 'string') wanted = loadYaml(wanted);
  if (truth(a['path'] as Py))
    wanted = parseSelections(readLines(str(ctx.salt.call('cp.cache_file', [a['path'] as Py, a['saltenv'] as Py]))));
  if (!(wanted instanceof PyDict)) return ret;
  const bad = [...wanted.keys()].filter((s) => !['install', 'hold', 'deinstall', 'purge'].includes(str(s)));
  if (bad.length) throw new SaltError('SaltInvocationError', `Invalid state(s): ${bad.map((b) => str(b)).join(', ')}`);
  const test = ctx.opts.flag('test');
  if (truth(a['clear'] as Py) && !test) {
    const r = apt(['dpkg', '--clear-selections'], ctx, { scope: false });
    if (r.code !== 0)
      throw new SaltError('CommandExecutionError', `Running dpkg --clear-selections failed: ${r.stderr}`);
  }
  const now = new Map<string, Py>();
  for (const [state, names] of selections('', null)) for (const n of iterate(names)) now.set(str(n), state);
  for (const [state, names] of wanted)
    for (const n of typeof names === 'string' ? [names] : [...iterate(names)].map((x) => str(x))) {
      if (now.get(n) === state || test) continue;
      const r = apt(['dpkg', '--set-selections'], ctx, { scope: false, options: { stdin: `${n} ${str(state)}` } });
      if (r.code !== 0) ctx.log.error(`failed to set state ${str(state)} for package ${n}`);
      else
        ret.set(
          n,
          new PyDict<Py>([
            ['old', now.get(n) ?? null],
            ['new', state],
          ]),
        );
    }
  return ret;
}

/** Puts packages on hold, or takes them off. */
function hold(on: boolean, a: Args, ctx: ModuleCtx): PyDict {
  const given = (k: string): boolean => truth(a[k] as Py);
  if (!given('name') && !given('pkgs') && !given('sources'))
    throw new SaltError('SaltInvocationError', 'One of name, pkgs, or sources must be specified.');
  if (given('pkgs') && given('sources'))
    throw new SaltError('SaltInvocationError', 'Only one of pkgs or sources can be specified.');
  const list = given('pkgs') ? a['pkgs'] : given('sources') ? a['sources'] : [a['name'] as Py];
  const ret = new PyDict();
  for (const item of iterate(list as Py)) {
    const name = item instanceof PyDict ? str([...item.keys()][0] as Py) : str(item);
    const known = selections(name, on ? 'hold' : null);
    const held = truth(known.get('hold') ?? null);
    let changes: Py = new PyDict();
    let result: Py = true;
    let comment: string;
    if (!on && !known.size) {
      result = false;
      comment = `Package ${name} does not have a state.`;
    } else if (held === on) comment = `Package ${name} is already set ${on ? 'to be held' : 'not to be held'}.`;
    else if (ctx.opts.flag('test')) {
      result = null;
      comment = `Package ${name} is set ${on ? 'to be held' : 'not to be held'}.`;
    } else {
      const done = setSelections(
        { path: null, selection: new PyDict([[on ? 'hold' : 'install', [name]]]), clear: false, saltenv: 'base' },
        ctx,
      );
      changes = done.get(name) ?? new PyDict();
      comment = `Package ${name} is ${on ? 'now being held' : 'no longer being held'}.`;
    }
    ret.set(
      name,
      new PyDict<Py>([
        ['name', name],
        ['changes', changes],
        ['result', result],
        ['comment', comment],
      ]),
    );
  }
  return ret;
}

function upgradable(dist: boolean, kwargs: PyDict, ctx: ModuleCtx): PyDict {
  const from = kwargs.has('fromrepo') ? ['-o', `APT::Default-Release=${str(kwargs.get('fromrepo') as Py)}`] : [];
  const r = apt(['apt-get', '--just-print', dist ? 'dist-upgrade' : 'upgrade', ...from], ctx);
  if (r.code !== 0)
    throw new SaltError(
      'CommandExecutionError',
      ['Failed to get upgrades', r.stderr || r.stdout].filter(Boolean).join(': '),
    );
  return new PyDict(
    [...r.stdout.matchAll(/^Conf (\S+) \((\S+)/gm)].map((m): [Py, Py] => [m[1] as string, m[2] as string]),
  );
}

function upgrade(a: Args, ctx: ModuleCtx): PyDict {
  const kw = kwargsOf(a);
  const on = (k: string): boolean => truth(kw.get(k) ?? null);
  if (isTrue(a['refresh'])) refreshDb(kw.get('cache_valid_time') ?? 0, false, new PyDict(), ctx);
  const old = listPkgs(ctx);
  const dpkg = on('force_conf_new') ? ['--force-confnew'] : ['--force-confold', '--force-confdef'];
  const r = apt(
    [
      'apt-get',
      '-q',
      '-y',
      ...dpkg.flatMap((o) => ['-o', `DPkg::Options::=${o}`]),
      ...(on('force_yes') ? ['--force-yes'] : []),
      ...(on('skip_verify') ? ['--allow-unauthenticated'] : []),
      ...(on('download_only') || on('downloadonly') ? ['--download-only'] : []),
      ...(on('allow_downgrades') ? ['--allow-downgrades'] : []),
      truth(a['dist_upgrade'] as Py) ? 'dist-upgrade' : 'upgrade',
    ],
    ctx,
  );
  const ret = changesBetween(old, listPkgs(ctx));
  if (r.code !== 0) {
    const result = new PyDict<Py>([
      ['retcode', r.code],
      ['stdout', r.stdout],
      ['stderr', r.stderr],
    ]);
    throw failure(
      'Problem encountered upgrading packages',
      new PyDict<Py>([
        ['changes', ret],
        ['result', result],
      ]),
      ctx,
    );
  }
  return ret;
}

function autoremove(a: Args, ctx: ModuleCtx): Py {
  const purge = truth(a['purge'] as Py) ? ['--purge'] : [];
  const quiet = { options: { ignore_retcode: true } };
  if (truth(a['list_only'] as Py)) {
    const out = apt(['apt-get', '--assume-no', ...purge, 'autoremove'], ctx, quiet).stdout;
    const block = /The following packages will be REMOVED:\n((?: .*\n?)*)/.exec(out)?.[1] ?? '';
    return block.split(/\s+/).filter(Boolean).sort();
  }
  const old = listPkgs(ctx);
  apt(['apt-get', '--assume-yes', ...purge, 'autoremove'], ctx, quiet);
  return changesBetween(old, listPkgs(ctx));
}

/** Every version of packages in the sources. */
function repoPackages(a: Args, ctx: ModuleCtx): PyDict {
  const names = namesOf(a);
  const out = apt(names.length ? ['apt-cache', 'show', ...names] : ['apt-cache', 'dump'], ctx, {
    scope: false,
    options: { ignore_retcode: true },
  }).stdout;
  const ret = new PyDict();
  let name = '';
  for (const line of out.split('\n')) {
    const m = /^\s*(Package|Version): (.+)$/.exec(line);
    if (m?.[1] === 'Package') name = m[2] as string;
    else if (m) {
      if (!ret.has(name)) ret.set(name, []);
      (ret.get(name) as Py[]).push((m[2] as string).trim());
    }
  }
  return ret;
}

function show(a: Args, ctx: ModuleCtx): PyDict {
  const kw = kwargsOf(a);
  const filter =
    typeof kw.get('filter') === 'string'
      ? str(kw.get('filter') as Py).split(',')
      : [...iterate(kw.get('filter') ?? [])].map((f) => str(f));
  const wanted = filter.map((f) => f.trim().toLowerCase()).filter(Boolean);
  if (truth(kw.get('refresh') ?? false)) refreshDb(0, false, new PyDict(), ctx);
  const ret = new PyDict();
  if (!namesOf(a).length) return ret;
  const out = apt(['apt-cache', 'show', ...namesOf(a)], ctx, { scope: false }).stdout;
  for (const block of out.split(/\n\s*\n/)) {
    const info = new PyDict();
    for (const line of block.split('\n')) {
      const at = line.indexOf(':');
      const key = line.slice(0, at).trim();
      if (at > 0 && (!wanted.length || ['package', 'version', ...wanted].includes(key.toLowerCase())))
        info.set(key, line.slice(at + 1).trim());
    }
    const name = info.get('Package');
    const version = info.get('Version');
    if (name === undefined || version === undefined) continue;
    info.delete('Package');
    info.delete('Version');
    if (!ret.has(name)) ret.set(name, new PyDict());
    (ret.get(name) as PyDict).set(version, info);
  }
  return ret;
}

const RENAMED: { readonly [field: string]: string } = {
  package: 'name',
  origin: 'vendor',
  section: 'group',
  maintainer: 'packager',
  homepage: 'url',
};

function infoInstalled(a: Args, ctx: ModuleCtx): PyDict {
  const ret = new PyDict();
  const all = ctx.salt.call('lowpkg.info', namesOf(a), { failhard: kwargsOf(a).get('failhard') ?? true });
  for (const [name, info] of all as PyDict) {
    if (!(info instanceof PyDict) || str(info.get('status') ?? 'ii')[1] !== 'i') continue;
    ret.set(
      name,
      new PyDict([...info].filter(([k]) => k !== 'status').map(([k, v]): [Py, Py] => [RENAMED[str(k)] ?? k, v])),
    );
  }
  return ret;
}

function owner(a: Args): Py {
  const ret = new PyDict(
    namesOf(a).map((path): [Py, Py] => {
      const out = capture('dpkg', ['-S', path]);
      return [path, out.code === 0 ? (out.stdout.split(':')[0] as string) : ''];
    }),
  );
  if (!ret.size) return '';
  return ret.size === 1 ? ([...ret.values()][0] as Py) : ret;
}

function downloaded(folder: string, ctx: ModuleCtx): PyDict {
  const ret = new PyDict();
  const walk = (dir: string): string[] =>
    existsSync(dir)
      ? readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
          e.isDirectory() ? walk(join(dir, e.name)) : e.name.endsWith('.deb') ? [join(dir, e.name)] : [],
        )
      : [];
  for (const path of walk(folder)) {
    const info = ctx.salt.call('lowpkg.bin_pkg_info', [path]) as PyDict;
    const { size, ctimeMs } = statSync(path);
    const seconds = Math.trunc(ctimeMs / 1000);
    const name = info.get('name') as Py;
    if (!ret.has(name)) ret.set(name, new PyDict());
    (ret.get(name) as PyDict).set(
      info.get('version') as Py,
      new PyDict<Py>([
        ['path', path],
        ['size', size],
        ['creation_date_time_t', seconds],
        ['creation_date_time', new Date(seconds * 1000).toISOString().slice(0, 19)],
      ]),
    );
  }
  return ret;
}

/** What a call of mod_repo wants, its keyword arguments laid over the line. */
function wantedRepo(a: Args): Source {
  const kw = kwargsOf(a);
  const s = wantedSource(text(a, 'repo'));
  const list = (k: string): string[] =>
    typeof kw.get(k) === 'string'
      ? str(kw.get(k) as Py)
          .split(',')
          .map((x) => x.trim())
      : [...iterate(kw.get(k) as Py)].map((x) => str(x));
  if (truth(kw.get('comps') ?? null)) s.comps = list('comps');
  if (truth(kw.get('architectures') ?? null)) s.architectures = list('architectures');
  if (truth(kw.get('signedby') ?? null)) s.signedBy = str(kw.get('signedby') as Py);
  if (kw.has('trusted')) s.trusted = isTrue(kw.get('trusted'));
  if (kw.has('enabled')) s.disabled = !isTrue(kw.get('enabled'));
  if (kw.has('disabled')) s.disabled = isTrue(kw.get('disabled'));
  return s;
}

function modRepo(a: Args, ctx: ModuleCtx): PyDict {
  const kw = kwargsOf(a);
  const s = wantedRepo(a);
  const file = truth(kw.get('file') ?? null) ? str(kw.get('file') as Py) : '/etc/apt/sources.list';
  writeRepo(s, file);
  if (isTrue(kw.get('refresh') ?? true)) refreshDb(0, false, new PyDict(), ctx);
  return new PyDict<Py>([[text(a, 'repo'), findRepo(s) ?? new PyDict()]]);
}

function delRepo(a: Args, ctx: ModuleCtx): string {
  const repo = text(a, 'repo');
  const files = removeRepo(wantedSource(repo));
  if (!files.length) throw new SaltError('CommandExecutionError', `Repo ${repo} doesn't exist in the sources.list(s)`);
  if (isTrue(kwargsOf(a).get('refresh') ?? true)) refreshDb(0, false, new PyDict(), ctx);
  return files.map((f) => `Repo '${repo}' has been removed from ${f}.\n`).join('');
}

const NAMES = '*args, **kwargs';

export default {
  virtual: (ctx) =>
    ctx.grains.get('os_family') === 'Debian'
      ? 'pkg'
      : { reason: 'The pkg module could not be loaded: unsupported OS family' },
  doc: 'Installs, removes, lists and describes packages with apt and dpkg.',
  functions: {
    list_pkgs: fn(
      'list_pkgs(versions_as_list=False, removed=False, purge_desired=False, **kwargs)',
      doc(
        'Installed packages and their versions; removed=True lists those of which configuration is left.',
        'list_pkgs',
      ),
      (a, ctx: ModuleCtx) =>
        packageDict(readInstalled(ctx), {
          asList: isTrue(a['versions_as_list']),
          removed: isTrue(a['removed']),
          purgeDesired: isTrue(a['purge_desired']),
        }),
    ),
    version: fn(
      `version(${NAMES})`,
      doc(
        'Version of an installed package, empty when it is not; a map for several. Names may be globs.',
        'version bash',
        "version 'lib*'",
      ),
      (a, ctx: ModuleCtx) => ctx.salt.call('pkg_resource.version', a['args'] as Py[], kwargsOf(a)),
    ),
    latest_version: fn(
      `latest_version(${NAMES})`,
      doc(
        'Newest version that could be installed, empty when it is; a map for several. refresh=False does not ask the sources first.',
        'latest_version bash',
      ),
      latest,
    ),
    available_version: fn(
      `available_version(${NAMES})`,
      doc('Another name of pkg.latest_version.', 'available_version bash'),
      latest,
    ),
    upgrade_available: fn(
      'upgrade_available(name, **kwargs)',
      doc('Whether there is a newer version of a package.', 'upgrade_available bash'),
      (a, ctx: ModuleCtx) => latest({ args: [a['name'] as Py], kwargs: new PyDict() }, ctx) !== '',
    ),
    refresh_db: fn(
      'refresh_db(cache_valid_time=0, failhard=False, **kwargs)',
      doc(
        'Asks the sources what they have: True for a list that is new, None for one as before, False for one that failed. cache_valid_time (seconds) saves asking too often.',
        'refresh_db',
        'refresh_db cache_valid_time=3600',
      ),
      (a, ctx: ModuleCtx) => refreshDb(a['cache_valid_time'] as Py, isTrue(a['failhard']), kwargsOf(a), ctx),
    ),
    install: fn(
      'install(name=None, refresh=False, fromrepo=None, skip_verify=False, debconf=None, pkgs=None, sources=None, reinstall=False, downloadonly=False, ignore_epoch=False, normalize=True, **kwargs)',
      doc(
        'Installs a package, several (pkgs, each a name or a map of name and version, also >=1.2), or package files (sources: maps of name and address), and answers what changed. version, install_recommends, only_upgrade, force_conf_new and cache_valid_time are further arguments.',
        'install nginx',
        'install pkgs=\'["nginx", {"curl": ">=7.88"}]\' refresh=True',
        'install sources=\'[{"a": "salt://a.deb"}]\'',
      ),
      install,
    ),
    remove: fn(
      'remove(name=None, pkgs=None, **kwargs)',
      doc(
        'Removes a package or several and answers what changed. Names may be globs.',
        'remove nginx',
        "remove pkgs='[nginx, curl]'",
      ),
      (a, ctx: ModuleCtx) => uninstall('remove', a, ctx),
    ),
    purge: fn(
      'purge(name=None, pkgs=None, **kwargs)',
      doc('Removes a package or several with their configuration.', 'purge nginx'),
      (a, ctx: ModuleCtx) => uninstall('purge', a, ctx),
    ),
    autoremove: fn(
      'autoremove(list_only=False, purge=False)',
      doc(
        'Removes packages that only served others that are gone; list_only=True names them.',
        'autoremove list_only=True',
      ),
      autoremove,
    ),
    upgrade: fn(
      'upgrade(refresh=True, dist_upgrade=False, **kwargs)',
      doc(
        'Upgrades all packages and answers what changed; dist_upgrade=True also adds and removes some for it.',
        'upgrade',
      ),
      upgrade,
    ),
    list_upgrades: fn(
      'list_upgrades(refresh=True, dist_upgrade=True, **kwargs)',
      doc('Packages that have a newer version, and that version.', 'list_upgrades'),
      (a, ctx: ModuleCtx) => {
        if (isTrue(a['refresh'])) refreshDb(kwargsOf(a).get('cache_valid_time') ?? 0, false, new PyDict(), ctx);
        return upgradable(truth(a['dist_upgrade'] as Py), kwargsOf(a), ctx);
      },
    ),
    hold: fn(
      'hold(name=None, pkgs=None, sources=None, **kwargs)',
      doc('Keeps packages at their present version.', 'hold nginx', "hold pkgs='[nginx, curl]'"),
      (a, ctx: ModuleCtx) => hold(true, a, ctx),
    ),
    unhold: fn(
      'unhold(name=None, pkgs=None, sources=None, **kwargs)',
      doc('Lets packages be upgraded again.', 'unhold nginx'),
      (a, ctx: ModuleCtx) => hold(false, a, ctx),
    ),
    get_selections: fn(
      'get_selections(pattern=None, state=None)',
      doc(
        "dpkg's selections: packages by state, those a glob fits, those of one state.",
        'get_selections',
        "get_selections 'python-*'",
        'get_selections state=hold',
      ),
      (a) => selections(truth(a['pattern'] as Py) ? text(a, 'pattern') : '', a['state'] as Py),
    ),
    set_selections: fn(
      "set_selections(path=None, selection=None, clear=False, saltenv='base')",
      doc(
        "Changes dpkg's selections, from a map of state and names or from a file.",
        "set_selections selection='{install: [nginx]}'",
        'set_selections salt://selections.txt',
      ),
      setSelections,
    ),
    version_cmp: fn(
      'version_cmp(pkg1, pkg2, ignore_epoch=False, **kwargs)',
      doc('-1, 0 or 1 for a version that is older, equal or newer.', "version_cmp '0.2.4-0ubuntu1' '0.2.4.1-0ubuntu1'"),
      (a) => compareVersions(text(a, 'pkg1'), text(a, 'pkg2'), truth(a['ignore_epoch'] as Py)),
    ),
    normalize_name: fn(
      'normalize_name(name)',
      doc("A package's name without the architecture every package here has.", 'normalize_name zsh:amd64'),
      (a, ctx: ModuleCtx) => normalized(text(a, 'name'), ctx),
    ),
    parse_arch: fn('parse_arch(name)', doc('Name and architecture of a package.', 'parse_arch zsh:amd64'), (a) => {
      const name = text(a, 'name');
      const at = name.lastIndexOf(':');
      return new PyDict<Py>([
        ['name', at < 0 ? name : name.slice(0, at)],
        ['arch', at < 0 ? null : name.slice(at + 1)],
      ]);
    }),
    list_repo_pkgs: fn(
      `list_repo_pkgs(${NAMES})`,
      doc('Every version of packages that the sources have.', 'list_repo_pkgs nginx curl'),
      repoPackages,
    ),
    show: fn(
      `show(${NAMES})`,
      doc(
        'What the sources say of packages, by version. filter names the fields wanted.',
        'show nginx',
        'show nginx filter=description,depends',
      ),
      show,
    ),
    info_installed: fn(
      `info_installed(${NAMES})`,
      doc('What is known of installed packages.', 'info_installed bash'),
      infoInstalled,
    ),
    owner: fn(`owner(${NAMES})`, doc('Package a file belongs to; a map for several.', 'owner /bin/ls'), owner),
    which: fn(
      'which(path)',
      doc('Package a file belongs to; None when none, False when there is no such file.', 'which /bin/ls'),
      (a) => {
        if (!isAbsolute(text(a, 'path')) || !existsSync(text(a, 'path'))) return false;
        const out = capture('dpkg', ['-S', text(a, 'path')]);
        return out.code === 0 ? (out.stdout.split(':')[0] as string) : null;
      },
    ),
    file_list: fn(`file_list(${NAMES})`, doc('Files of packages.', 'file_list bash'), (a, ctx: ModuleCtx) =>
      ctx.salt.call('lowpkg.file_list', a['args'] as Py[]),
    ),
    file_dict: fn(`file_dict(${NAMES})`, doc('Files of packages, by package.', 'file_dict bash'), (a, ctx: ModuleCtx) =>
      ctx.salt.call('lowpkg.file_dict', a['args'] as Py[]),
    ),
    list_downloaded: fn(
      'list_downloaded(root=None, **kwargs)',
      doc('Package files that were fetched and are kept.', 'list_downloaded'),
      (a, ctx: ModuleCtx) =>
        downloaded(a['root'] === null ? '/var/cache/apt' : join(text(a, 'root'), relative('/', '/var/cache/apt')), ctx),
    ),
    services_need_restart: fn(
      'services_need_restart(**kwargs)',
      doc('Services that use files which have been replaced. Needs checkrestart.', 'services_need_restart'),
      () => {
        if (!which('checkrestart'))
          throw new SaltError(
            'CommandNotFoundError',
            "'checkrestart' is needed. It is part of the 'debian-goodies' package which can be installed from official repositories.",
          );
        const out = capture('checkrestart', ['--machine', '--package']).stdout;
        return [...new Set([...out.matchAll(/^SERVICE:([^,]*)/gm)].map((m) => m[1] as string))];
      },
    ),
    list_repos: fn('list_repos(**kwargs)', doc('Every source of packages, by address.', 'list_repos'), () =>
      repoDict(),
    ),
    get_repo: fn(
      'get_repo(repo, **kwargs)',
      doc('A source of packages, given as its line.', "get_repo 'deb http://deb.debian.org/debian bookworm main'"),
      (a) => findRepo(wantedSource(text(a, 'repo'))) ?? new PyDict(),
    ),
    mod_repo: fn(
      "mod_repo(repo, saltenv='base', aptkey=True, **kwargs)",
      doc(
        'Adds or changes a source of packages, given as its line. file, comps, architectures, signedby, trusted and disabled say more; refresh=False does not ask the sources then.',
        "mod_repo 'deb http://deb.debian.org/debian bookworm main contrib' file=/etc/apt/sources.list.d/a.list",
      ),
      modRepo,
    ),
    del_repo: fn(
      'del_repo(repo, **kwargs)',
      doc(
        'Removes a source of packages, or the components that are named.',
        "del_repo 'deb http://deb.debian.org/debian bookworm contrib'",
      ),
      delRepo,
    ),
  },
} satisfies ExecutionModule;
