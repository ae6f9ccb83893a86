/** Packages dpkg knows, and what a change of them is called. */
import { type Py, PyDict } from '../../../bus/values.ts';
import { eq } from '../../../sls/values.ts';
import { capture } from '../../process/capture.ts';
import type { ModuleCtx } from '../contract.ts';

/** Versions by name, for each kind of entry. */
export interface Installed {
  readonly installed: Map<string, string[]>;
  /** Removed, with configuration files left. */
  readonly removed: Map<string, string[]>;
  /** Installed but wanted gone. */
  readonly purgeDesired: Map<string, string[]>;
}

/** Reads the answer of dpkg-query; packages of another architecture than the system's carry it in their names. */
export function parseStatus(out: string, osarch: string): Installed {
  const ret: Installed = { installed: new Map(), removed: new Map(), purgeDesired: new Map() };
  for (const line of out.split('\n')) {
    const [wanted = '', , status = '', pkg, version, arch] = line.split(/\s+/);
    if (pkg === undefined || version === undefined || arch === undefined) continue;
    const name = osarch === 'amd64' && arch !== 'all' && arch !== osarch ? `${pkg}:${arch}` : pkg;
    const add = (to: Map<string, string[]>): void => {
      to.set(name, [...new Set([...(to.get(name) ?? []), version])].sort());
    };
    // "deinstall" holds "install" too: a package on its way out counts as there while it is.
    if ((wanted.includes('install') || wanted.includes('hold')) && status.includes('installed')) add(ret.installed);
    else if (wanted.includes('deinstall')) add(ret.removed);
    else if (wanted.includes('purge') && status === 'installed') add(ret.purgeDesired);
  }
  return ret;
}

/** What is installed now. */
export function readInstalled(ctx: ModuleCtx): Installed {
  const out = capture('dpkg-query', ['--showformat', '${Status} ${Package} ${Version} ${Architecture}\n', '-W']).stdout;
  return parseStatus(out, ctx.grains.get('cpuarch') === 'x86_64' ? String(ctx.grains.get('osarch') ?? '') : '');
}

/** A list of packages in the form of `pkg.list_pkgs`. */
export function packageDict(all: Installed, o: { asList: boolean; removed: boolean; purgeDesired: boolean }): PyDict {
  const wanted = o.removed ? [all.removed] : o.purgeDesired ? [all.purgeDesired] : [all.purgeDesired, all.installed];
  const out = new PyDict();
  for (const m of wanted)
    for (const [name, versions] of m) out.set(name, o.asList ? [...versions] : versions.join(','));
  return out;
}

/** What differs between two maps, as `{key: {old, new}}` with empty texts for what is missing. */
export function changesBetween(old: PyDict, now: PyDict): PyDict {
  const out = new PyDict();
  for (const k of new Set([...old.keys(), ...now.keys()])) {
    const before = old.get(k) ?? '';
    const after = now.get(k) ?? '';
    if (old.has(k) && now.has(k) && eq(before, after)) continue;
    out.set(
      k,
      new PyDict<Py>([
        ['old', before],
        ['new', after],
      ]),
    );
  }
  return out;
}
