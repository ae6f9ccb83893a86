/** What the file server gives to minions. */
import type { Opts } from '../../bus/opts.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import type { FileTree } from '../../sls/files/contract.ts';
import { Roots } from '../../sls/files/roots.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { compareText, str, truth } from '../../sls/values.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

/** Backends of the configuration that an argument means: names, a list or commas; `-name` takes one away. */
function wanted(opts: Opts, v: Py): string[] {
  const all = (opts.has('fileserver_backend') ? opts.list('fileserver_backend') : ['roots']).map(str);
  if (!truth(v)) return all;
  const asked = Array.isArray(v)
    ? v.map(str)
    : str(v)
        .split(',')
        .map((s) => s.trim());
  const out = asked.filter((n) => n.startsWith('-')).map((n) => n.slice(1));
  return out.length === asked.length ? all.filter((n) => !out.includes(n)) : all.filter((n) => asked.includes(n));
}

/** Whether the one backend that there is here is meant. */
const isMeant = (a: Args, ctx: RunnerCtx): boolean =>
  wanted(ctx.opts, a['backend']!).some((n) => n === 'roots' || n === 'file');

function tree(a: Args, ctx: RunnerCtx): FileTree {
  const none: FileTree = { files: [], dirs: [], emptyDirs: [], links: new Map() };
  return isMeant(a, ctx) ? new Roots(ctx.opts).tree(str(a['saltenv']!)) : none;
}

export default {
  doc: 'Lists what the file server has, and has it look anew.',
  functions: {
    envs: fn(
      'envs(backend=None, sources=False)',
      'Environments; with sources=True by backend.\n\nCLI Example:\n\n    salt-run fileserver.envs',
      (a, ctx) => {
        const envs = isMeant(a, ctx) ? new Roots(ctx.opts).envs() : [];
        return truth(a['sources']!) ? new PyDict<Py>(isMeant(a, ctx) ? [['roots', envs]] : []) : envs;
      },
    ),
    file_list: fn(
      "file_list(saltenv='base', backend=None)",
      'Files of an environment.\n\nCLI Example:\n\n    salt-run fileserver.file_list',
      (a, ctx) => [...tree(a, ctx).files],
    ),
    dir_list: fn(
      "dir_list(saltenv='base', backend=None)",
      'Folders of an environment.\n\nCLI Example:\n\n    salt-run fileserver.dir_list',
      (a, ctx) => [...tree(a, ctx).dirs],
    ),
    empty_dir_list: fn(
      "empty_dir_list(saltenv='base', backend=None)",
      'Empty folders of an environment.\n\nCLI Example:\n\n    salt-run fileserver.empty_dir_list',
      (a, ctx) => [...tree(a, ctx).emptyDirs],
    ),
    symlink_list: fn(
      "symlink_list(saltenv='base', backend=None)",
      'Links of an environment and what they point to.\n\nCLI Example:\n\n    salt-run fileserver.symlink_list',
      (a, ctx) => new PyDict<Py>([...tree(a, ctx).links].sort(([x], [y]) => compareText(x, y))),
    ),
    update: fn(
      'update(backend=None, **kwargs)',
      'Has the backends look for changes at their sources.\n\nCLI Example:\n\n    salt-run fileserver.update',
      async (a, ctx) => {
        if (isMeant(a, ctx)) await new Roots(ctx.opts).update();
        return true;
      },
    ),
    clear_cache: fn(
      'clear_cache(backend=None)',
      'Empties the caches of backends that keep copies. Plain folders keep none.\n\nCLI Example:\n\n    salt-run fileserver.clear_cache',
      () => 'No cache was cleared',
    ),
    clear_file_list_cache: fn(
      'clear_file_list_cache(saltenv=None, backend=None)',
      'Environments whose kept file lists were dropped, by backend. A running master drops its own within 20 seconds.\n\nCLI Example:\n\n    salt-run fileserver.clear_file_list_cache',
      (a, ctx) => {
        if (!isMeant(a, ctx)) return new PyDict();
        const only =
          a['saltenv'] === null
            ? undefined
            : Array.isArray(a['saltenv'])
              ? a['saltenv'].map(str)
              : [str(a['saltenv']!)];
        return new PyDict<Py>([['roots', new Roots(ctx.opts).envs().filter((e) => !only || only.includes(e))]]);
      },
    ),
    lock: fn(
      'lock(backend=None, remote=None)',
      'Locks the remotes of backends that have some. Plain folders have none.\n\nCLI Example:\n\n    salt-run fileserver.lock',
      () => 'No locks were set',
    ),
    clear_lock: fn(
      'clear_lock(backend=None, remote=None)',
      'Takes such locks away.\n\nCLI Example:\n\n    salt-run fileserver.clear_lock',
      () => 'No locks were removed',
    ),
  },
} satisfies RunnerModule;
