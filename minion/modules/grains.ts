/** Facts about the minion: reading, setting, looking values up by them. */
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { type Py, PyDict, PyTuple } from '../../bus/values.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { dumpJson, parseJson } from '../../sls/json.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { traverse } from '../../sls/traverse.ts';
import { contains, deepCopy, eq, order, str, truth } from '../../sls/values.ts';
import { dumpYaml, loadYaml } from '../../sls/yaml.ts';
import { dictUpdate } from '../dict-update.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const isList = (v: Py | undefined): v is Py[] => Array.isArray(v) && !(v instanceof PyTuple);

/** Answers a grain by its path, or the default. */
function get(key: Py, fallback: Py, delimiter: Py, ctx: ModuleCtx, data: PyDict = ctx.grains): Py {
  if (data.has(key)) return data.get(key) as Py;
  const found = traverse(data, str(key), str(delimiter));
  return found === undefined ? fallback : found;
}

function isTrue(v: Py | undefined): boolean {
  if (v === undefined || v === null) return false;
  if (typeof v === 'string') return v.toLowerCase() === 'true' || (/^\s*[-+]?\d+(\.\d*)?\s*$/.test(v) && Number(v) > 0);
  return truth(v);
}

const MASKS: readonly [string, (v: string) => string][] = [
  ['serialnumber', (v) => v.slice(0, Math.floor(v.length * 0.75)) + 'X'.repeat(v.length - Math.floor(v.length * 0.75))],
  ['domain', () => 'DOMAINNAME'],
  ['fqdn', () => 'MINION.DOMAINNAME'],
  ['id', () => 'MINION.DOMAINNAME'],
  ['host', () => 'MINION'],
  ['localhost', () => 'MINION'],
  ['nodename', () => 'MINION'],
];

function masked(grains: PyDict): PyDict {
  for (const [k, mask] of MASKS) if (grains.has(k)) grains.set(k, mask(str(grains.get(k) as Py)));
  return grains;
}

/** The file that holds grains set by hand, beside the minion's configuration. */
function grainsFile(ctx: ModuleCtx): string {
  const conf = ctx.opts.str('conf_file', '/etc/salt/minion');
  return join(statSync(conf, { throwIfNoEntry: false })?.isDirectory() ? conf : dirname(conf), 'grains');
}

function setvals(grains: Py, destructive: Py, refreshPillar: Py, ctx: ModuleCtx): Py {
  if (!(grains instanceof PyDict)) throw new SaltError('SaltException', 'setvals grains must be a dictionary.');
  const path = grainsFile(ctx);
  let stored = new PyDict();
  if (statSync(path, { throwIfNoEntry: false })?.isFile())
    try {
      const read = loadYaml(readFileSync(path, 'utf8'), { file: path });
      if (read instanceof PyDict) stored = read;
    } catch (e) {
      return `Unable to read existing grains file: ${messageOf(e)}`;
    }
  for (const [k, v] of grains)
    if (v === null && destructive === true) {
      stored.delete(k);
      ctx.grains.delete(k);
    } else {
      stored.set(k, v);
      ctx.grains.set(k, v);
    }
  try {
    writeFileSync(path, dumpYaml(stored, { flowStyle: false }));
  } catch {
    ctx.log.error(`Unable to write to grains file at ${path}. Check permissions.`);
  }
  const flag = join(ctx.opts.str('cachedir'), 'module_refresh');
  try {
    closeSync(openSync(flag, 'w'));
  } catch {
    ctx.log.error(`Unable to write to cache file ${flag}. Check permissions.`);
  }
  if (!ctx.opts.flag('local') && ctx.salt.has('saltutil.refresh_grains'))
    ctx.salt.call('saltutil.refresh_grains', [], { refresh_pillar: refreshPillar });
  return grains;
}

/** Splits the last part off a path. */
function up(key: string, delimiter: string): [parent: string, last: string] | undefined {
  const at = key.lastIndexOf(delimiter);
  return at < 0 ? undefined : [key.slice(0, at), key.slice(at + delimiter.length)];
}

function append(a: Args, ctx: ModuleCtx): Py {
  const delimiter = str(a['delimiter'] as Py);
  let key = str(a['key'] as Py);
  const val = a['val'] as Py;
  let value = get(key, [], delimiter, ctx);
  if (truth(a['convert'] as Py) && !isList(value)) value = value === null ? [] : [value];
  if (!isList(value)) return `The key ${key} is not a valid list`;
  if (contains(value, val)) return `The val ${str(val)} was already in the list ${key}`;
  if (isList(val)) value.push(...val);
  else value.push(val);
  for (let parts = up(key, delimiter); parts; parts = up(key, delimiter)) {
    const parent = get(parts[0], new PyDict(), delimiter, ctx);
    if (parent instanceof PyDict) parent.set(parts[1], value);
    key = parts[0];
    value = parent;
  }
  return setvals(new PyDict([[key, value]]), false, true, ctx);
}

function remove(a: Args, ctx: ModuleCtx): Py {
  const delimiter = str(a['delimiter'] as Py);
  let key = str(a['key'] as Py);
  let value = get(key, [], delimiter, ctx);
  if (!isList(value)) return `The key ${key} is not a valid list`;
  const at = value.findIndex((v) => eq(v, a['val'] as Py));
  if (at < 0) return `The val ${str(a['val'] as Py)} was not in the list ${key}`;
  value.splice(at, 1);
  for (let parts = up(key, delimiter); parts; parts = up(key, delimiter)) {
    const parent = get(parts[0], null, delimiter, ctx);
    if (parent instanceof PyDict) parent.set(parts[1], value);
    key = parts[0];
    value = parent;
  }
  return setvals(new PyDict([[key, value]]), false, true, ctx);
}

const isComplex = (v: Py | undefined): boolean => v instanceof PyDict || isList(v);

/** Puts a nested value into what is there: a dict gets the entry, a list the entry in or instead of the item of that name. */
function place(existing: Py, name: string, value: Py, destructive: boolean): Py {
  if (existing instanceof PyDict) {
    if (value === null && destructive) existing.delete(name);
    else existing.set(name, value);
    return existing;
  }
  const list = existing as Py[];
  let placed = false;
  list.forEach((item, i) => {
    if (eq(item, name)) {
      list[i] = new PyDict([[name, value]]);
      placed = true;
    } else if (item instanceof PyDict && item.has(name)) {
      item.set(name, value);
      placed = true;
    }
  });
  if (!placed) list.push(new PyDict([[name, value]]));
  return list;
}

function set(a: Args, ctx: ModuleCtx): PyDict {
  const delimiter = str(a['delimiter'] ?? ':');
  const force = truth(a['force'] as Py);
  const destructive = truth(a['destructive'] as Py);
  let key = str(a['key'] as Py);
  const val = a['val'] as Py;
  const answer = (comment: string, changes: Py, result: boolean): PyDict =>
    new PyDict<Py>([
      ['comment', comment],
      ['changes', changes],
      ['result', result],
    ]);
  const missing = new PyDict();
  const existing = get(key, missing, delimiter, ctx);
  const known = existing !== missing;
  if (known && eq(existing, val) && (val !== null || a['destructive'] !== true))
    return answer('Grain is already set', new PyDict(), true);
  if (existing !== null && !force) {
    if (known && isComplex(existing))
      return answer(
        `The key '${key}' exists but is a dict or a list. Use 'force=True' to overwrite.`,
        new PyDict(),
        false,
      );
    if (known && isComplex(val))
      return answer(
        `The key '${key}' exists and the given value is a dict or a list. Use 'force=True' to overwrite.`,
        new PyDict(),
        false,
      );
  }
  let value = val;
  for (let parts = up(key, delimiter); parts; parts = up(key, delimiter)) {
    const [parent, name] = parts;
    key = parent;
    const there = get(key, new PyDict(), delimiter, ctx);
    if (isComplex(there)) value = place(there, name, value, destructive);
    else if (eq(there, name) || force) value = new PyDict([[name, value]]);
    else
      return answer(
        `The key '${key}' value is '${str(there)}', which is different from the provided key '${name}'. Use 'force=True' to overwrite.`,
        new PyDict(),
        false,
      );
  }
  const done = setvals(new PyDict([[key, value]]), destructive, true, ctx);
  return done instanceof PyDict ? answer('', done, true) : answer(str(done), new PyDict(), false);
}

/** The value of the first pattern that a grain (or one of a list) matches, over a base and under a merge. */
export function filterBy(lookup: Py, value: Py, merge: Py, fallback: Py, base: Py): Py {
  if (!(lookup instanceof PyDict)) throw new SaltError('TypeError', `'${str(lookup)}' is not a dictionary`);
  let ret: Py | undefined;
  for (const each of isList(value) ? value : [value]) {
    for (const [k, v] of lookup)
      if (fnmatch(str(each), str(k))) {
        ret = v;
        break;
      }
    if (ret !== undefined && ret !== null) break;
  }
  let found: Py = ret ?? lookup.get(fallback) ?? null;
  if (truth(base) && lookup.has(base)) {
    const under = lookup.get(base) as Py;
    if (found === null) found = under;
    else if (under instanceof PyDict) {
      if (!(found instanceof PyDict))
        throw new SaltError('SaltException', 'filter_by default and look-up values must both be dictionaries.');
      found = dictUpdate(deepCopy(under) as PyDict, found);
    }
  }
  if (truth(merge)) {
    if (!(merge instanceof PyDict))
      throw new SaltError('SaltException', 'filter_by merge argument must be a dictionary.');
    if (found === null) found = merge;
    else dictUpdate(found, deepCopy(merge) as PyDict);
  }
  return found;
}

const get_ = (a: Args, ctx: ModuleCtx): Py => {
  const data = a['ordered'] === true ? ctx.grains : (parseJson(dumpJson(ctx.grains)) as PyDict);
  return get(a['key'] as Py, a['default'] as Py, a['delimiter'] as Py, ctx, data);
};

const GET = `Answers a grain, one inside another by a path with colons (or another delimiter), or the default (an empty text).

CLI Example:

.. code-block:: bash

    salt '*' grains.get os
    salt '*' grains.get locale_info:timezone default=UTC`;

export default {
  doc: 'Reads and sets grains: facts about the machine and its role.',
  functions: {
    get: fn("get(key, default='', delimiter=':', ordered=True)", GET, get_),
    fetch: fn(
      "fetch(key, default='', delimiter=':', ordered=True)",
      GET.replaceAll('grains.get', 'grains.fetch'),
      get_,
    ),
    has_value: fn(
      'has_value(key)',
      `Whether a grain exists, whatever its value.

CLI Example:

.. code-block:: bash

    salt '*' grains.has_value roles:web`,
      (a, ctx: ModuleCtx) => {
        const none = new PyDict();
        return get(a['key'] as Py, none, ':', ctx) !== none;
      },
    ),
    items: fn(
      'items(sanitize=False)',
      `Answers all grains. sanitize=True masks names and serial numbers, for passing the answer on.

CLI Example:

.. code-block:: bash

    salt '*' grains.items
    salt '*' grains.items sanitize=True`,
      (a, ctx: ModuleCtx) => {
        const all = new PyDict(ctx.grains);
        return isTrue(a['sanitize']) ? masked(all) : all;
      },
    ),
    item: fn(
      'item(*args, **kwargs)',
      `Answers the named grains as a map. default and delimiter are those of grains.get; sanitize=True masks names.

CLI Example:

.. code-block:: bash

    salt '*' grains.item os osrelease
    salt '*' grains.item host sanitize=True`,
      (a, ctx: ModuleCtx) => {
        const kw = a['kwargs'] as PyDict;
        const out = new PyDict();
        for (const k of a['args'] as Py[]) out.set(k, get(k, kw.get('default') ?? '', kw.get('delimiter') ?? ':', ctx));
        return isTrue(kw.get('sanitize')) ? masked(out) : out;
      },
    ),
    ls: fn(
      'ls()',
      `Names of all grains, sorted.

CLI Example:

.. code-block:: bash

    salt '*' grains.ls`,
      (_a, ctx: ModuleCtx) => [...ctx.grains.keys()].sort((x, y) => (order('<', x, y) ? -1 : 1)),
    ),
    setvals: fn(
      'setvals(grains, destructive=False, refresh_pillar=True)',
      `Sets several grains in the minion's grains file and answers them. With destructive=True those given as null are removed.
refresh_pillar=False leaves the pillar as it is.

CLI Example:

.. code-block:: bash

    salt '*' grains.setvals "{'role': 'web', 'rack': 7}"`,
      (a, ctx: ModuleCtx) => setvals(a['grains'] as Py, a['destructive'] as Py, a['refresh_pillar'] as Py, ctx),
    ),
    setval: fn(
      'setval(key, val, destructive=False, refresh_pillar=True)',
      `Sets a grain in the minion's grains file. The key is taken as it is; grains.set follows paths.

CLI Example:

.. code-block:: bash

    salt '*' grains.setval role web
    salt '*' grains.setval rack "{'row': 3, 'place': 7}"`,
      (a, ctx: ModuleCtx) =>
        setvals(new PyDict([[a['key'] as Py, a['val'] as Py]]), a['destructive'] as Py, a['refresh_pillar'] as Py, ctx),
    ),
    append: fn(
      "append(key, val, convert=False, delimiter=':')",
      `Adds a value, or the values of a list, to a grain that is a list. convert=True makes one of a single value first.

CLI Example:

.. code-block:: bash

    salt '*' grains.append roles web`,
      append,
    ),
    remove: fn(
      "remove(key, val, delimiter=':')",
      `Takes a value out of a grain that is a list.

CLI Example:

.. code-block:: bash

    salt '*' grains.remove roles web`,
      remove,
    ),
    delval: fn(
      'delval(key, destructive=False, force=False)',
      `Sets a grain to null, or removes it with destructive=True. force=True does so for a list or dict too.

CLI Example:

.. code-block:: bash

    salt '*' grains.delval role`,
      (a, ctx: ModuleCtx) => set({ ...a, val: null }, ctx),
    ),
    delkey: fn(
      'delkey(key, force=False)',
      `Removes a grain. force=True does so for a list or dict too.

CLI Example:

.. code-block:: bash

    salt '*' grains.delkey role`,
      (a, ctx: ModuleCtx) => set({ ...a, val: null, destructive: true }, ctx),
    ),
    set: fn(
      "set(key, val='', force=False, destructive=False, delimiter=':')",
      `Sets a grain, one inside others by a path with colons, and answers comment, changes and result. A list or dict is only
replaced, or put where something else is, with force=True. destructive=True removes a grain whose new value is null.

CLI Example:

.. code-block:: bash

    salt '*' grains.set app:port 8080
    salt '*' grains.set app "{'port': 8080}" force=True`,
      set,
    ),
    equals: fn(
      'equals(key, value)',
      `Whether a grain, as text, is the value.

CLI Example:

.. code-block:: bash

    salt '*' grains.equals os Debian`,
      (a, ctx: ModuleCtx) => str(a['value'] as Py) === str(get(a['key'] as Py, '', ':', ctx)),
    ),
    filter_by: fn(
      "filter_by(lookup_dict, grain='os_family', merge=None, default='default', base=None)",
      `Chooses from a map by a grain: the value of the first key (a glob) that the grain matches, else that of the key named by
default. base names a key whose dict lies below the choice, merge is a dict laid over it.

CLI Example:

.. code-block:: bash

    salt '*' grains.filter_by "{Debian: {pkg: apache2}, RedHat: {pkg: httpd}, default: {pkg: apache}}"`,
      (a, ctx: ModuleCtx) =>
        filterBy(
          a['lookup_dict'] as Py,
          get(a['grain'] as Py, [], ':', ctx),
          a['merge'] as Py,
          a['default'] as Py,
          a['base'] as Py,
        ),
    ),
  },
  outputters: { items: 'nested', item: 'nested', setval: 'nested' },
} satisfies ExecutionModule;
