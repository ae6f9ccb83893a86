import { type Py, PyDict } from '../bus/values.ts';
import { attributeError, indexError, notIterable } from './python-errors.ts';
import { REQUISITES } from './requisites.ts';
import { deepCopy, hashable, objectTypeName, repr, str, typeName } from './values.ts';

/** High data: id to `{state: [function, {argument: value} …], __sls__, …}`. */
export type High = PyDict;
/** One low chunk: `{state, fun, name, __id__, __sls__, order, …arguments}`. */
export type LowChunk = PyDict;

const isText = (v: Py | undefined): v is string => typeof v === 'string';

/**
 * Turns `state.function` keys and short declarations (`id: state.function`) of rendered data into the long form, in place (the
 * reference's pad_funcs). Throws what iterating a non-mapping throws there: a TypeError text.
 */
export function padFunctions(high: Py): High {
  if (!(high instanceof PyDict)) throw new TypeError(`'${objectTypeName(high)}' is not formed as a dictionary`);
  for (const name of [...high.keys()]) {
    const body = high.get(name) as Py;
    if (isText(body)) {
      const dot = body.indexOf('.');
      if (dot >= 0) high.set(name, new PyDict([[body.slice(0, dot), [body.slice(dot + 1)]]]));
      continue;
    }
    if (!(body instanceof PyDict)) continue;
    const seen = new Set<string>();
    for (const key of [...body.keys()].filter(isText).sort()) {
      const run = body.get(key);
      if (key.startsWith('_') || !Array.isArray(run)) continue;
      const dot = key.indexOf('.');
      if (dot < 0) {
        seen.add(key);
        continue;
      }
      const state = key.slice(0, dot);
      if (seen.has(state)) continue;
      body.delete(key);
      body.set(state, [...run, key.slice(dot + 1)]);
      seen.add(state);
    }
  }
  return high;
}

/** Checks the form of high data; answers the errors in the reference's words, empty when all is well. */
export function verifyHigh(high: Py): string[] {
  if (!(high instanceof PyDict)) return ['High data is not a dictionary and is invalid'];
  const errors: string[] = [];
  for (const [id, body] of high) {
    const sls = body instanceof PyDict ? str(body.get('__sls__') ?? null) : '';
    if (!isText(id)) {
      if (!(body instanceof PyDict)) throw indexError(body as Py);
      errors.push(
        `ID '${str(id)}' in SLS '${sls}' is not formed as a string, but is type ${typeName(id)}. It may need to be quoted.`,
      );
    } else if (id.startsWith('__')) continue;
    const ID = str(id);
    if (!(body instanceof PyDict)) {
      errors.push(`The type ${ID} in ${str(body as Py)} is not formatted as a dictionary`);
      continue;
    }
    for (const [key, run] of body) {
      if (!isText(key)) throw attributeError(key, 'startswith');
      const state = key;
      if (state.startsWith('__')) continue;
      if (run === null) {
        errors.push(
          `ID '${ID}' in SLS '${sls}' contains a short declaration (${state}) with a trailing colon. When not passing any arguments to a state, the colon must be omitted.`,
        );
        continue;
      }
      if (!Array.isArray(run)) {
        errors.push(`State '${ID}' in SLS '${sls}' is not formed as a list`);
        continue;
      }
      verifyRun(ID, sls, state, run, errors);
    }
  }
  return errors;
}

function verifyRun(id: string, sls: string, state: string, run: readonly Py[], errors: string[]): void {
  const dot = state.indexOf('.');
  const functions = dot >= 0 ? [state.slice(dot + 1)] : [];
  for (const arg of run) {
    if (isText(arg)) {
      functions.push(arg);
      if (arg.trim().includes(' '))
        errors.push(
          `The function "${arg}" in state "${id}" in SLS "${sls}" has whitespace, a function with whitespace is not supported, perhaps this is an argument that is missing a ":"`,
        );
      continue;
    }
    if (!(arg instanceof PyDict) || !arg.size) continue;
    const first = arg.keys().next().value as Py;
    const value = arg.get(first);
    if (first === 'names' && !Array.isArray(value))
      errors.push(`The 'names' argument in state '${id}' in SLS '${sls}' needs to be formed as a list`);
    if (!isText(first) || !REQUISITES.has(first)) continue;
    if (!Array.isArray(value)) {
      errors.push(`The ${first} statement in state '${id}' in SLS '${sls}' needs to be formed as a list`);
    } else
      for (const one of value as Py[]) {
        const req = isText(one) ? new PyDict([['id', one]]) : one;
        if (!(req instanceof PyDict) || req.size !== 1) {
          errors.push(
            `Requisite declaration ${str(req)} in state ${id} in SLS ${sls} is not formed as a single key dictionary`,
          );
          continue;
        }
        const [reqKey, reqValue] = req.entries().next().value as [Py, Py];
        if (!isText(reqKey)) throw notIterable(reqKey);
        const text = reqKey;
        if (text.includes('.'))
          errors.push(
            `Invalid requisite type '${text}' in state '${id}', in SLS '${sls}'. Requisite types must not contain dots, did you mean '${text.slice(0, text.indexOf('.'))}'?`,
          );
        if (!isHashable(reqValue))
          errors.push(`Illegal requisite "${str(reqValue)}" in SLS "${sls}", please check your syntax.\n`);
      }
    if (arg.size !== 1) errors.push(`Multiple dictionaries defined in argument of state '${id}' in SLS '${sls}'`);
  }
  if (!functions.length) errors.push(`No function declared in state '${id}' in SLS '${sls}'`);
  else if (functions.length > 1)
    errors.push(
      `Too many functions declared in state '${id}' in SLS '${sls}'. Please choose one of the following: ${functions.join(', ')}`,
    );
}

function isHashable(v: Py): boolean {
  try {
    hashable(v);
    return true;
  } catch {
    return false;
  }
}

/** Makes one chunk of each state (and of each of its `names`), in order of appearance, not yet ordered by requisites. */
export function lowChunks(high: High): LowChunk[] {
  const chunks: LowChunk[] = [];
  for (const [id, body] of high) {
    if (isText(id) && id.startsWith('__')) continue;
    if (!(body instanceof PyDict)) continue;
    for (const [state, run] of body) {
      if (!isText(state) || state.startsWith('__') || !Array.isArray(run)) continue;
      const chunk: LowChunk = new PyDict([
        ['state', state],
        ['name', id],
      ]);
      for (const key of ['__sls__', '__env__', '__sls_included_from__'])
        if (body.has(key)) chunk.set(key, body.get(key) as Py);
      chunk.set('__id__', id);
      let fun: string | undefined;
      const names: Py[] = [];
      for (const arg of run as Py[]) {
        if (isText(arg)) fun ??= arg;
        else if (arg instanceof PyDict)
          for (const [key, value] of arg) {
            if (key !== 'names') for (const [k, v] of arg) chunk.set(k, v as Py);
            else if (Array.isArray(value))
              for (const n of value as Py[]) if (!names.some((m) => repr(m) === repr(n))) names.push(n);
          }
      }
      if (fun === undefined) continue;
      if (!names.length) {
        const live = deepCopy(chunk);
        live.set('fun', fun);
        chunks.push(live);
        continue;
      }
      names.forEach((entry, i) => {
        const live = deepCopy(chunk);
        if (entry instanceof PyDict && entry.size) {
          const name = entry.keys().next().value as Py;
          live.set('name', name);
          const more = entry.get(name);
          if (Array.isArray(more))
            for (const m of more as Py[]) if (m instanceof PyDict) for (const [k, v] of m) live.set(k, v as Py);
        } else live.set('name', entry);
        live.set('name_order', i + 1);
        live.set('fun', fun as string);
        chunks.push(live);
      });
    }
  }
  return chunks;
}
