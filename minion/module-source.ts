import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { SaltError } from '../bus/errors.ts';
import type { Opts } from '../bus/opts.ts';
import type { ModuleSource } from './call.ts';
import { extmodsDir } from './extmods.ts';
import type { ExecutionModule } from './modules/contract.ts';

declare const __brine_dist: string;

/** Files that provide the usual modules whose name is another one than the file's: looked at first, all others only when they fail. */
const PROVIDERS: { readonly [module: string]: readonly string[] } = {
  pkg: ['aptpkg', 'yumpkg', 'zypperpkg', 'pacmanpkg', 'apkpkg'],
  service: ['systemd_service', 'debian_service', 'rh_service', 'service'],
  user: ['useradd'],
  group: ['groupadd'],
  shadow: ['linux_shadow'],
  lowpkg: ['dpkg_lowpkg', 'rpm_lowpkg'],
  sysctl: ['linux_sysctl'],
  ip: ['debian_ip', 'rh_ip'],
  acl: ['linux_acl'],
};

const isModule = (m: unknown): m is ExecutionModule =>
  typeof m === 'object' && m !== null && typeof (m as ExecutionModule).functions === 'object';

function namesIn(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((n) => /\.c?js$/.test(n))
    .map((n) => n.replace(/\.c?js$/, ''))
    .sort();
}

/**
 * Execution modules of this program's own folder and, before them, operators' synced ones (`extmods/modules`, `module_dirs`): a
 * file of the same name replaces ours.
 */
export class FolderModules implements ModuleSource {
  private readonly folders: string[];
  private readonly require = createRequire(join(__brine_dist, 'index.js'));
  private known: Map<string, string> | undefined;

  constructor(opts: Opts) {
    const own = opts.list('module_dirs').map(String);
    this.folders = [
      ...own,
      ...own.map((d) => join(d, 'modules')),
      join(extmodsDir(opts.str('cachedir')), 'modules'),
      join(__brine_dist, 'minion', 'modules'),
    ];
  }

  /** Whether an operator's file stands for one of ours. */
  replaced(file: string): boolean {
    const path = this.paths().get(file);
    return path !== undefined && !path.startsWith(join(__brine_dist, 'minion', 'modules'));
  }

  candidates(module: string): string[] {
    const all = this.paths();
    const first = [module, ...(PROVIDERS[module] ?? [])].filter((f) => all.has(f));
    return first.length ? [...first, ...this.files().filter((f) => !first.includes(f))] : this.files();
  }

  files(): string[] {
    return [...this.paths().keys()].sort();
  }

  load(file: string): ExecutionModule {
    const path = this.paths().get(file);
    if (path === undefined) throw new SaltError('LoaderError', `There is no module ${file}`);
    const got: unknown = this.require(path);
    const module = (got as { default?: unknown } | null)?.default ?? got;
    if (!isModule(module)) throw new SaltError('LoaderError', `${path} exports no execution module`);
    return module;
  }

  private paths(): Map<string, string> {
    if (this.known) return this.known;
    const found = new Map<string, string>();
    for (const dir of this.folders)
      for (const name of namesIn(dir)) {
        if (found.has(name)) continue;
        const js = join(dir, `${name}.js`);
        found.set(name, existsSync(js) ? js : join(dir, `${name}.cjs`));
      }
    this.known = found;
    return found;
  }
}
