/** Operators' own modules: `_modules`, `_states`, `_grains` … of the file server, copied under `cachedir/extmods`. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { type Py, PyDict } from '../bus/values.ts';
import { extmodsDir } from './extmods-dir.ts';
import type { ModuleCtx } from './modules/contract.ts';

/** Names that `sync_all` answers with, where they differ from the folder's. */
export const EXTMOD_FORMS: { readonly [name: string]: string } = { proxymodules: 'proxy' };

/** Where the files come from: the master, or the minion's own file_roots. Paths are relative to the environment, with `/`. */
interface Source {
  list(env: string, prefix: string): string[];
  read(env: string, path: string): Buffer;
}

function remoteSource(ctx: ModuleCtx): Source {
  return {
    list: (env, prefix) => {
      const got = ctx.master.request('_file_list', { saltenv: env, prefix });
      return Array.isArray(got) ? got.map(String) : [];
    },
    read: (env, path) => {
      const parts: Buffer[] = [];
      for (let loc = 0; ; ) {
        const got = ctx.master.request('_serve_file', { saltenv: env, path, loc });
        const data = got instanceof PyDict ? got.get('data') : undefined;
        const part = data instanceof Uint8Array ? Buffer.from(data) : Buffer.from(typeof data === 'string' ? data : '');
        if (!part.length) return Buffer.concat(parts);
        parts.push(part);
        loc += part.length;
      }
    },
  };
}

function localSource(ctx: ModuleCtx): Source {
  const roots = (env: string): string[] => {
    const r = ctx.opts.dict('file_roots').get(env);
    return Array.isArray(r) ? r.map(String) : [];
  };
  const walk = (dir: string): string[] =>
    readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
      e.isDirectory() ? walk(join(dir, e.name)) : [join(dir, e.name)],
    );
  return {
    list: (env, prefix) =>
      roots(env).flatMap((root) => {
        const dir = join(root, prefix);
        return existsSync(dir) ? walk(dir).map((f) => relative(root, f).split(sep).join('/')) : [];
      }),
    read: (env, path) => {
      const found = roots(env)
        .map((r) => join(r, path))
        .find((p) => existsSync(p));
      return found === undefined ? Buffer.alloc(0) : readFileSync(found);
    },
  };
}

const nameOf = (path: string): string => path.replace(/\.[^./]*$/, '');
const hash = (b: Buffer): string => createHash('sha256').update(b).digest('hex');

/**
 * Makes `cachedir/extmods/<form>` equal to `_<form>` of the environments (an earlier environment wins) and answers
 * `<form>.<name>` for each file that is new or changed, sorted. Files that are gone from the server are removed.
 */
export function syncExtmods(
  form: string,
  envs: readonly string[],
  ctx: ModuleCtx,
  whitelist?: readonly string[],
  blacklist?: readonly string[],
): string[] {
  const local = ctx.opts.str('file_client') === 'local';
  const source = local ? localSource(ctx) : remoteSource(ctx);
  const root = join(extmodsDir(ctx.opts.str('cachedir')), form);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const wanted = new Map<string, { env: string; path: string }>();
  const limits = {
    whitelist: whitelist ?? configured('extmod_whitelist', form, ctx),
    blacklist: blacklist ?? configured('extmod_blacklist', form, ctx),
  };
  for (const env of envs)
    for (const path of source.list(env, `_${form}`)) {
      const rel = path.slice(form.length + 2);
      const parts = rel.split('/');
      // A file server may be another program: no name may lead out of the folder.
      if (!path.startsWith(`_${form}/`) || parts.some((p) => p === '' || p === '..' || p === '.')) continue;
      const name = nameOf(rel).split('/').join('.');
      if (limits.whitelist && !limits.whitelist.includes(name)) continue;
      if (limits.blacklist?.includes(name)) continue;
      if (!wanted.has(rel)) wanted.set(rel, { env, path });
    }
  const changed: string[] = [];
  for (const [rel, from] of wanted) {
    const bytes = source.read(from.env, from.path);
    const to = join(root, ...rel.split('/'));
    if (existsSync(to) && hash(readFileSync(to)) === hash(bytes)) continue;
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    writeFileSync(`${to}.new`, bytes, { mode: 0o600 });
    renameSync(`${to}.new`, to);
    changed.push(`${form}.${nameOf(rel).split('/').join('.')}`);
  }
  prune(root, root, new Set(wanted.keys()));
  return changed.sort();
}

function configured(option: string, form: string, ctx: ModuleCtx): string[] | undefined {
  const v: Py | undefined = ctx.opts.dict(option).get(form);
  return Array.isArray(v) && v.length ? v.map(String) : undefined;
}

function prune(dir: string, root: string, keep: ReadonlySet<string>): void {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (statSync(path).isDirectory()) prune(path, root, keep);
    else if (!keep.has(relative(root, path).split(sep).join('/'))) rmSync(path);
  }
}
