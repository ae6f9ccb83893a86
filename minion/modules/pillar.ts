/** The minion's pillar. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict, PySet, PyTuple } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { traverse } from '../../sls/traverse.ts';
import { contains, deepCopy, iterate, repr, str, truth, typeName } from '../../sls/values.ts';
import { loadYaml } from '../../sls/yaml.ts';
import { dictUpdate } from '../dict-update.ts';
import { docFor } from '../doc-text.ts';
import { freshPillar, maskPillar, showsPillar } from '../pillar.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { filterBy } from './grains.ts';

const doc = docFor('pillar');

/** The default that stands for none given. */
const NOT_SET = '<Constant.NOT_SET>';
const isList = (v: Py): v is Py[] => Array.isArray(v) && !(v instanceof PyTuple);
/** A value, None included, or what stands for a missing one. */
const or = (v: Py | undefined, otherwise: Py): Py => (v === undefined ? otherwise : v);
const given = (v: Py | undefined): v is Py => v !== null && v !== undefined;

/** The pillar compiled anew: by the master, or here where this minion has none. */
function compile(w: { override?: Py; pillarenv?: Py; saltenv?: Py; ext?: Py }, ctx: ModuleCtx): PyDict {
  const { override, pillarenv, saltenv, ext } = w;
  return freshPillar(ctx, {
    ...(override instanceof PyDict ? { override } : {}),
    ...(given(pillarenv) ? { pillarenv } : {}),
    ...(given(saltenv) ? { saltenv } : {}),
    ...(ext === undefined ? {} : { ext }),
  });
}

/** The answer as it may be shown: masked, unless `unmask` or a template asks for it as it is. */
function shown(v: Py, a: Args, ctx: ModuleCtx, otherwise = false): Py {
  const plain = given(a['unmask']) ? truth(a['unmask']) : otherwise || showsPillar(ctx);
  return plain ? v : maskPillar(v);
}

/** The pillar in use, or one of other environments. */
function current(a: Args, ctx: ModuleCtx): PyDict {
  if (!given(a['saltenv']) && !given(a['pillarenv'])) return ctx.pillar;
  return compile({ saltenv: a['saltenv'] ?? null, pillarenv: a['pillarenv'] ?? null }, ctx);
}

function get(a: Args, ctx: ModuleCtx): Py {
  const key = a['key'] as Py;
  let fallback: Py | undefined = a['default'] === NOT_SET ? undefined : (a['default'] as Py);
  if (fallback === undefined && !ctx.opts.flag('pillar_raise_on_missing')) fallback = '';
  const pillar = current(a, ctx);
  const find = (otherwise: Py | undefined): Py | undefined => {
    const value = typeof key === 'string' ? traverse(pillar, key, str(a['delimiter'] as Py)) : pillar.get(key);
    return value === undefined ? otherwise : value;
  };
  if (truth(a['merge'] as Py)) {
    const lists = given(a['merge_nested_lists']) ? truth(a['merge_nested_lists']) : ctx.opts.flag('pillar_merge_lists');
    const skip = (what: string, found: Py): void =>
      ctx.log.error(
        `pillar.get: Default (${repr(fallback ?? '')}) is a ${what}, but the returned pillar value (${str(found)}) is of type '${typeName(found)}'. Merge will be skipped.`,
      );
    if (fallback instanceof PyDict) {
      const found = find(new PyDict()) as Py;
      if (found instanceof PyDict) return shown(dictUpdate(deepCopy(fallback), found, lists), a, ctx);
      skip('dict', found);
    } else if (fallback !== undefined && isList(fallback)) {
      const found = find([]) as Py;
      if (isList(found)) {
        const merged = deepCopy(fallback) as Py[];
        for (const x of found) if (!contains(fallback, x)) merged.push(x);
        return shown(merged, a, ctx);
      }
      skip('list', found);
    } else
      ctx.log.error(
        `pillar.get: Default (${repr(fallback ?? '')}) is of type '${typeName(fallback ?? '')}', must be a dict or list to merge. Merge will be skipped.`,
      );
  }
  const found = find(fallback);
  if (found === undefined) throw new SaltError('KeyError', `'Pillar key not found: ${str(key)}'`);
  return shown(found, a, ctx);
}

function item(a: Args, ctx: ModuleCtx): PyDict {
  const pillar = current(a, ctx);
  const delimiter = given(a['delimiter']) ? str(a['delimiter']) : ':';
  const fallback = given(a['default']) ? a['default'] : '';
  const found = new PyDict(
    (a['args'] as Py[]).map((k): [Py, Py] => [k, or(traverse(pillar, str(k), delimiter), fallback)]),
  );
  return shown(found, a, ctx) as PyDict;
}

function items(a: Args, ctx: ModuleCtx): PyDict {
  if ((a['args'] as Py[]).length) return item({ ...a, default: null, delimiter: null }, ctx);
  let override = a['pillar'] ?? null;
  if (typeof override === 'string') {
    if (given(a['pillar_enc']))
      throw new SaltError(
        'CommandExecutionError',
        `Failed to decrypt pillar override: no renderer '${str(a['pillar_enc'])}' here`,
      );
    override = loadYaml(override);
  }
  const { opts } = ctx;
  const saltenv = a['saltenv'] ?? null;
  const pillarenv =
    a['pillarenv'] ?? (opts.flag('pillarenv_from_saltenv') ? (saltenv ?? opts.get('saltenv') ?? null) : null);
  return shown(
    compile({ override, pillarenv, saltenv }, ctx),
    a,
    ctx,
    !opts.flag('pillar_mask_output', true),
  ) as PyDict;
}

/** Values replaced by the names of their types. */
function hidden(v: Py): Py {
  if (v instanceof PyDict) return new PyDict([...v].map(([k, x]): [Py, Py] => [k, hidden(x)]));
  if (v instanceof PyTuple) return PyTuple.from_(v.map((x) => hidden(x as Py)));
  if (v instanceof PySet) return new PySet([...v].map(hidden));
  if (Array.isArray(v)) return v.map((x) => hidden(x as Py));
  return `<${typeName(v)}>`;
}

function keys(a: Args, ctx: ModuleCtx): Py {
  const found = traverse(ctx.pillar, str(a['key'] as Py), str(a['delimiter'] as Py));
  if (found === undefined) throw new SaltError('KeyError', `'Pillar key not found: ${str(a['key'] as Py)}'`);
  if (!(found instanceof PyDict))
    throw new SaltError('ValueError', `Pillar value in key ${str(a['key'] as Py)} is not a dict`);
  return [...found.keys()];
}

function fileExists(a: Args, ctx: ModuleCtx): boolean {
  const roots = ctx.opts.dict('pillar_roots');
  if (!roots.size)
    throw new SaltError('CommandExecutionError', 'No pillar_roots found. Are you running this on the master?');
  const envs = truth(a['saltenv'] as Py) ? [a['saltenv'] as Py] : [...roots.keys()];
  return envs.some((e) =>
    [...iterate(roots.get(e) ?? [])].some((dir) => existsSync(join(str(dir), str(a['path'] as Py)))),
  );
}

const GET =
  "key, default='<Constant.NOT_SET>', merge=False, merge_nested_lists=None, delimiter=':', pillarenv=None, saltenv=None, unmask=None";
const ALL = '*args, pillar=None, pillar_enc=None, pillarenv=None, saltenv=None, unmask=None';

export default {
  doc: 'Reads the pillar: data the master keeps for this minion alone.',
  functions: {
    get: fn(
      `get(${GET})`,
      doc(
        'A value of the pillar by its path with colons, or the default. merge=True lays the value over a default that is a dict or list. saltenv and pillarenv have the pillar of other environments compiled.',
        'get app:port',
        'get app default={} merge=True',
        'get a/b delimiter=/',
      ),
      get,
    ),
    fetch: fn(`fetch(${GET})`, doc('Another name of pillar.get.', 'fetch app:port'), get),
    items: fn(
      `items(${ALL})`,
      doc(
        'The whole pillar compiled anew, or the named keys of the one in use. pillar lays values over it.',
        'items',
        "items pillar='{app: {port: 81}}'",
      ),
      items,
    ),
    data: fn(`data(${ALL})`, doc('Another name of pillar.items.', 'data'), items),
    item: fn(
      'item(*args, default=None, delimiter=None, pillarenv=None, saltenv=None, unmask=None)',
      doc('Values of the pillar in use, by their paths.', 'item app:port role', 'item role default=none'),
      item,
    ),
    raw: fn(
      'raw(key=None, unmask=None)',
      doc('The pillar in use, or one of its top keys, as it was compiled last.', 'raw', 'raw key=role'),
      (a, ctx: ModuleCtx) =>
        shown(
          truth(a['key'] as Py) ? (ctx.pillar.get(a['key'] as Py) ?? new PyDict()) : new PyDict(ctx.pillar),
          a,
          ctx,
          true,
        ),
    ),
    ls: fn(`ls(${ALL})`, doc('Top keys of the pillar.', 'ls'), (a, ctx: ModuleCtx) => [...items(a, ctx).keys()]),
    keys: fn("keys(key, delimiter=':', unmask=None)", doc('Keys of a dict in the pillar.', 'keys app'), keys),
    obfuscate: fn(
      `obfuscate(${ALL})`,
      doc('The pillar with every value replaced by the name of its type.', 'obfuscate'),
      (a, ctx: ModuleCtx) => hidden(items(a, ctx)),
    ),
    ext: fn(
      'ext(external, pillar=None, unmask=None)',
      doc(
        'The pillar compiled with one more external source, which the master must allow.',
        "ext '{cmd_json: cat /srv/p.json}'",
      ),
      (a, ctx: ModuleCtx) =>
        shown(
          compile(
            {
              ext: typeof a['external'] === 'string' ? loadYaml(a['external']) : (a['external'] as Py),
              override: a['pillar'] ?? null,
            },
            ctx,
          ),
          a,
          ctx,
        ),
    ),
    file_exists: fn(
      'file_exists(path, saltenv=None)',
      doc(
        'Whether there is a pillar file. Needs pillar_roots, so on a minion that is the master or has none.',
        'file_exists web/init.sls',
      ),
      fileExists,
    ),
    filter_by: fn(
      "filter_by(lookup_dict, pillar, merge=None, default='default', base=None)",
      doc(
        'Chooses from a map by a value of the pillar, as grains.filter_by does by a grain.',
        "filter_by '{web: {port: 80}, default: {port: 0}}' role",
      ),
      (a, ctx: ModuleCtx) =>
        filterBy(
          a['lookup_dict'] as Py,
          or(traverse(ctx.pillar, str(a['pillar'] as Py)), []),
          a['merge'] as Py,
          a['default'] as Py,
          a['base'] as Py,
        ),
    ),
  },
} satisfies ExecutionModule;
