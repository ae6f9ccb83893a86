/** What all package modules share. */
import { isAbsolute } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict, PyTuple } from '../../bus/values.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { deepCopy, iterate, str, truth } from '../../sls/values.ts';
import { loadYaml } from '../../sls/yaml.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { isTrue } from './pkg/install.ts';
import { versionHolds } from './pkg/versions.ts';

const doc = docFor('pkg_resource');

const normal = (name: Py, on: Py, ctx: ModuleCtx): string =>
  truth(on) && ctx.salt.has('pkg.normalize_name') ? str(ctx.salt.call('pkg.normalize_name', [name])) : str(name);

/** Names and versions of a list of names and one-entry maps. */
function repacked(pkgs: Py, normalize: Py, ctx: ModuleCtx): PyDict {
  const out = new PyDict();
  const list =
    typeof pkgs === 'string'
      ? [...iterate(loadYaml(pkgs))]
      : pkgs instanceof PyDict
        ? [...pkgs].map(([k, v]) => new PyDict([[k, v]]))
        : [...iterate(pkgs)];
  for (const p of list)
    if (p instanceof PyDict) for (const [k, v] of p) out.set(normal(k, normalize, ctx), v === null ? null : str(v));
    else out.set(normal(p, normalize, ctx), null);
  if (out.size !== list.length)
    throw new SaltError(
      'SaltInvocationError',
      `You are passing a list of packages that contains duplicated packages names: ${str(pkgs)}. This cannot be processed. In case you are targeting different versions of the same package, please target them individually`,
    );
  return out;
}

function packSources(sources: Py, normalize: Py, ctx: ModuleCtx): PyDict {
  const list = typeof sources === 'string' ? loadYaml(sources) : sources;
  const out = new PyDict();
  for (const s of iterate(list)) {
    if (!(s instanceof PyDict) || s.size !== 1) {
      ctx.log.error(`Invalid input: ${str(sources)}`);
      ctx.log.error('Input must be a list of 1-element dicts');
      return new PyDict();
    }
    for (const [k, v] of s) out.set(normal(k, normalize, ctx), v);
  }
  return out;
}

const nothing = (): PyTuple => PyTuple.from_<Py>([null, null]);

function parseTargets(a: Args, ctx: ModuleCtx): PyTuple {
  const given = (k: string): boolean => truth(a[k] as Py);
  const kw = a['kwargs'] as PyDict;
  const version = kw.get('version') ?? null;
  if (given('pkgs') && given('sources')) {
    ctx.log.error('Only one of "pkgs" and "sources" can be used.');
    return nothing();
  }
  if ((given('pkgs') || given('sources')) && version !== null)
    ctx.log.warning("'version' argument will be ignored for multiple package targets");
  if (given('pkgs')) {
    const packed = repacked(a['pkgs'] as Py, a['normalize'] as Py, ctx);
    return packed.size ? PyTuple.from_<Py>([packed, 'repository']) : nothing();
  }
  if (given('sources')) {
    const packed = packSources(a['sources'] as Py, a['normalize'] as Py, ctx);
    if (!packed.size) return nothing();
    const paths = [...packed].map(([name, source]): Py => {
      if (truth(ctx.salt.call('config.valid_fileproto', [source]))) {
        const cached = ctx.salt.call('cp.cache_file', [source, a['saltenv'] as Py]);
        if (!truth(cached))
          throw new SaltError(
            'CommandExecutionError',
            `Unable to cache source ${str(source)} for package ${str(name)}`,
          );
        return cached;
      }
      if (!isAbsolute(str(source)))
        throw new SaltError(
          'SaltInvocationError',
          `Path ${str(source)} for package ${str(name)} is either not absolute or an invalid protocol`,
        );
      return source;
    });
    return PyTuple.from_<Py>([paths, 'file']);
  }
  if (given('name'))
    return PyTuple.from_<Py>([
      new PyDict(
        str(a['name'] as Py)
          .split(',')
          .map((n): [Py, Py] => [normal(n, a['normalize'] as Py, ctx), version]),
      ),
      'repository',
    ]);
  ctx.log.error('No package sources provided');
  return nothing();
}

/** Lists of versions as text, in place. */
function stringify(pkgs: Py): null {
  if (pkgs instanceof PyDict) for (const [k, v] of [...pkgs]) pkgs.set(k, [...iterate(v)].map((x) => str(x)).join(','));
  return null;
}

function version(a: Args, ctx: ModuleCtx): Py {
  const kw = new PyDict(a['kwargs'] as PyDict);
  const asList = isTrue(kw.get('versions_as_list'));
  kw.delete('versions_as_list');
  for (const k of [...kw.keys()]) if (str(k).startsWith('__')) kw.delete(k);
  kw.set('versions_as_list', true);
  const names = (a['args'] as Py[]).map((n) => str(n));
  const ret = new PyDict();
  const pkgs = names.length ? (ctx.salt.call('pkg.list_pkgs', [], kw) as PyDict) : new PyDict();
  for (const n of names)
    if (n.includes('*')) {
      for (const [k, v] of pkgs) if (fnmatch(str(k), n)) ret.set(k, v);
    } else ret.set(n, pkgs.get(n) ?? []);
  if (!asList) stringify(ret);
  return ret.size === 1 && !names.some((n) => n.includes('*')) ? ([...ret.values()][0] as Py) : ret;
}

const formatVersion = (epoch: Py, v: Py, release: Py): string =>
  `${truth(epoch) ? `${str(epoch)}:` : ''}${str(v)}${truth(release) ? `-${str(release)}` : ''}`;

const ATTRIBUTES = ['epoch', 'version', 'release', 'arch', 'install_date', 'install_date_time_t'];

function formatList(a: Args, ctx: ModuleCtx): PyDict {
  const ret = deepCopy(a['packages'] as Py) as PyDict;
  if (truth(a['attr'] as Py)) {
    const wanted =
      a['attr'] === 'all'
        ? ATTRIBUTES
        : ATTRIBUTES.filter((k) =>
            [...[...iterate(a['attr'] as Py)].map((x) => str(x)), 'version', 'arch'].includes(k),
          );
    const out = new PyDict();
    for (const [name, all] of ret) {
      const parsed = ctx.salt.has('pkg.parse_arch')
        ? (ctx.salt.call('pkg.parse_arch', [name]) as PyDict)
        : new PyDict<Py>([
            ['name', name],
            ['arch', null],
          ]);
      let key: Py = name;
      const rows = [...iterate(all)].map((row) => {
        const d = new PyDict(
          wanted.filter((k) => (row as PyDict).has(k)).map((k): [Py, Py] => [k, (row as PyDict).get(k) as Py]),
        );
        if ((d.get('arch') ?? null) === parsed.get('arch')) key = parsed.get('name') as Py;
        return d;
      });
      out.set(key, [...((out.get(key) as Py[] | undefined) ?? []), ...rows]);
    }
    return out;
  }
  for (const [name, all] of [...ret])
    ret.set(
      name,
      [...iterate(all)].map((d) =>
        formatVersion(
          (d as PyDict).get('epoch') ?? null,
          (d as PyDict).get('version') ?? '',
          (d as PyDict).get('release') ?? null,
        ),
      ),
    );
  if (!truth(a['versions_as_list'] as Py)) stringify(ret);
  return ret;
}

export default {
  doc: 'Reads and sorts the arguments and lists of package functions.',
  functions: {
    parse_targets: fn(
      "parse_targets(name=None, pkgs=None, sources=None, saltenv='base', normalize=True, **kwargs)",
      doc('What a call of pkg.install asks for: names and versions, or files.', 'parse_targets nginx'),
      parseTargets,
    ),
    pack_sources: fn(
      'pack_sources(sources, normalize=True)',
      doc('A list of one-entry maps as one map.', "pack_sources '[{a: salt://a.deb}]'"),
      (a, ctx: ModuleCtx) => packSources(a['sources'] as Py, a['normalize'] as Py, ctx),
    ),
    version: fn(
      'version(*args, **kwargs)',
      doc('Versions of installed packages; globs are allowed.', 'version bash'),
      version,
    ),
    add_pkg: fn(
      'add_pkg(pkgs, name, pkgver)',
      doc('Adds a version to a map of packages.', "add_pkg '{}' bash 5.2"),
      (a) => {
        const d = a['pkgs'];
        if (d instanceof PyDict)
          d.set(a['name'] as Py, [...((d.get(a['name'] as Py) as Py[] | undefined) ?? []), a['pkgver'] as Py]);
        return null;
      },
    ),
    sort_pkglist: fn(
      'sort_pkglist(pkgs)',
      doc('Sorts the versions of a map of packages.', 'sort_pkglist \'{bash: ["5.2", "5.1"]}\''),
      (a) => {
        const d = a['pkgs'];
        if (d instanceof PyDict)
          for (const [k, v] of [...d]) d.set(k, [...new Set([...iterate(v)].map((x) => str(x)))].sort());
        return null;
      },
    ),
    stringify: fn(
      'stringify(pkgs)',
      doc('Turns the lists of versions of a map of packages into text.', 'stringify \'{bash: ["5.2"]}\''),
      (a) => stringify(a['pkgs'] as Py),
    ),
    version_clean: fn(
      'version_clean(verstr)',
      doc('A version without what the package system adds to it.', 'version_clean 1.2'),
      (a, ctx: ModuleCtx) =>
        truth(a['verstr'] as Py) && ctx.salt.has('pkg.version_clean')
          ? ctx.salt.call('pkg.version_clean', [a['verstr'] as Py])
          : (a['verstr'] as Py),
    ),
    version_compare: fn(
      'version_compare(ver1, oper, ver2, ignore_epoch=False)',
      doc('Whether a comparison of versions holds.', "version_compare 1.2 '<' 1.10"),
      (a) =>
        versionHolds(
          str(a['ver1'] as Py),
          str(a['oper'] as Py) === '' || a['oper'] === '=' ? '==' : str(a['oper'] as Py),
          str(a['ver2'] as Py),
          truth(a['ignore_epoch'] as Py),
        ),
    ),
    check_extra_requirements: fn(
      'check_extra_requirements(pkgname, pkgver)',
      doc(
        'Whether a package has what the package system needs besides its version.',
        'check_extra_requirements bash 5.2',
      ),
      (a, ctx: ModuleCtx) =>
        truth(a['pkgver'] as Py) && ctx.salt.has('pkg.check_extra_requirements')
          ? ctx.salt.call('pkg.check_extra_requirements', [a['pkgname'] as Py, a['pkgver'] as Py])
          : true,
    ),
    format_pkg_list: fn(
      'format_pkg_list(packages, versions_as_list, attr)',
      doc('A list of packages as text or with chosen attributes.', "format_pkg_list '{}' False None"),
      formatList,
    ),
    format_version: fn(
      'format_version(epoch, version, release)',
      doc('A version from its parts.', 'format_version 1 2.3 4'),
      (a) => formatVersion(a['epoch'] as Py, a['version'] as Py, a['release'] as Py),
    ),
  },
} satisfies ExecutionModule;
