/** A small store of values that survives restarts. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Py, PyDict, toPy, toWire } from '../../bus/values.ts';
import { decodeNetwork, encodeNetwork } from '../../bus/wire/payload.ts';
import { parseLiteral } from '../../sls/literal.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { eq, iterate, str } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('data');
const fileOf = (ctx: ModuleCtx): string => join(ctx.opts.str('cachedir'), 'datastore');

function load(ctx: ModuleCtx): PyDict {
  let bytes: Buffer;
  try {
    bytes = readFileSync(fileOf(ctx));
  } catch {
    return new PyDict(); // nothing stored yet
  }
  const read = toPy(decodeNetwork(bytes));
  return read instanceof PyDict ? read : new PyDict();
}

function dump(data: Py, ctx: ModuleCtx): boolean {
  const dict = typeof data === 'string' ? parseLiteral(data) : data;
  if (!(dict instanceof PyDict)) return false;
  try {
    writeFileSync(fileOf(ctx), encodeNetwork(toWire(dict)), { mode: 0o600 });
    return true;
  } catch (e) {
    ctx.log.error(`The data store cannot be written: ${(e as Error).message}`);
    return false;
  }
}

function get(a: Args, ctx: ModuleCtx): Py {
  const store = load(ctx);
  const key = a['key'] as Py;
  const fallback = a['default'] as Py;
  if (typeof key === 'string') return store.get(key) ?? fallback;
  const keys = [...iterate(key)];
  return fallback === null
    ? keys.filter((k) => store.has(k)).map((k) => store.get(k) as Py)
    : keys.map((k) => store.get(k) ?? fallback);
}

export default {
  doc: 'Keeps values on the minion from one job to the next.',
  functions: {
    clear: fn('clear()', doc('Forgets all values.', 'clear'), (_a, ctx: ModuleCtx) => {
      rmSync(fileOf(ctx), { force: true });
      return true;
    }),
    load: fn('load()', doc('All values.', 'load'), (_a, ctx: ModuleCtx) => load(ctx)),
    dump: fn('dump(new_data)', doc('Replaces all values by a map.', 'dump \'{"retries": 3}\''), (a, ctx: ModuleCtx) =>
      dump(a['new_data'] as Py, ctx),
    ),
    update: fn('update(key, value)', doc('Sets a value.', 'update retries 3'), (a, ctx: ModuleCtx) => {
      const store = load(ctx);
      store.set(a['key'] as Py, a['value'] as Py);
      dump(store, ctx);
      return true;
    }),
    cas: fn(
      'cas(key, value, old_value)',
      doc('Sets a value if it is the old one still, and says whether it did.', 'cas retries 4 3'),
      (a, ctx: ModuleCtx) => {
        const store = load(ctx);
        const key = a['key'] as Py;
        if (!store.has(key) || !eq(store.get(key) as Py, a['old_value'] as Py)) return false;
        store.set(key, a['value'] as Py);
        dump(store, ctx);
        return true;
      },
    ),
    pop: fn(
      'pop(key, default=None)',
      doc('Takes a value out, or answers the default.', 'pop retries'),
      (a, ctx: ModuleCtx) => {
        const store = load(ctx);
        const key = a['key'] as Py;
        const value = store.has(key) ? (store.get(key) as Py) : (a['default'] as Py);
        store.delete(key);
        dump(store, ctx);
        return value;
      },
    ),
    get: fn(
      'get(key, default=None)',
      doc('A value, or for a list of keys the list of their values.', 'get retries', "get '[retries, state]'"),
      get,
    ),
    keys: fn('keys()', doc('All keys.', 'keys'), (_a, ctx: ModuleCtx) => [...load(ctx).keys()]),
    values: fn('values()', doc('All values, without keys.', 'values'), (_a, ctx: ModuleCtx) => [...load(ctx).values()]),
    items: fn('items()', doc('All values by key.', 'items'), (_a, ctx: ModuleCtx) => load(ctx)),
    has_key: fn(
      'has_key(key)',
      doc('Whether there is a value for a key.', 'has_key retries'),
      (a, ctx: ModuleCtx) => load(ctx).has(str(a['key'] as Py)) || load(ctx).has(a['key'] as Py),
    ),
  },
} satisfies ExecutionModule;
