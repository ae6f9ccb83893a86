/** Texts that `file.accumulated` gathers for files that are managed later in the run. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Py, PyDict, toPy, toWire } from '../../../bus/values.ts';
import { decodeBus, encodeBus } from '../../../bus/wire/payload.ts';
import type { Args } from '../../../sls/signature.ts';
import { contains, isStr, str } from '../../../sls/values.ts';
import type { StateCtx } from '../contract.ts';
import { answer, fail, say } from './result.ts';

interface Gathered {
  /** Texts by file and accumulator. */
  readonly texts: PyDict;
  /** IDs that need each, by file and accumulator. */
  readonly needs: PyDict;
}

function place(ctx: StateCtx): string {
  const dir = join(ctx.opts.str('cachedir'), 'accumulator');
  mkdirSync(dir, { recursive: true });
  return join(dir, ctx.instanceId);
}

/** What this run has gathered so far. */
export function gathered(ctx: StateCtx): Gathered {
  let data: Py = null;
  try {
    data = toPy(decodeBus(readFileSync(place(ctx))));
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
  }
  const part = (key: string): PyDict => {
    const v = data instanceof PyDict ? data.get(key) : undefined;
    return v instanceof PyDict ? v : new PyDict();
  };
  return { texts: part('accumulators'), needs: part('accumulators_deps') };
}

function within(d: PyDict, key: Py): PyDict {
  const own = d.get(key);
  if (own instanceof PyDict) return own;
  const made = new PyDict();
  d.set(key, made);
  return made;
}

/** `file.accumulated`. */
export function accumulated(a: Args, ctx: StateCtx): PyDict {
  const name = a['name'] as Py;
  const ret = answer(name);
  if (!str(name)) return fail(ret, 'Must provide name to file.accumulated');
  const text = a['text'] as Py;
  if (text === null) return fail(ret, 'No text supplied for accumulator');
  const list = (key: string): Py[] => (Array.isArray(ctx.low.get(key)) ? (ctx.low.get(key) as Py[]) : []);
  const needed = [...list('require_in'), ...list('watch_in')];
  if (!needed.some((d) => (d instanceof PyDict ? d.has('file') : isStr(d) && str(d).includes('file'))))
    return fail(
      ret,
      `Orphaned accumulator ${str(name)} in ${str(ctx.low.get('__sls__') ?? null)}:${str(ctx.low.get('__id__') ?? null)}`,
    );
  const g = gathered(ctx);
  const texts = within(g.texts, a['filename'] as Py);
  const needs = within(g.needs, a['filename'] as Py);
  const ids = (needs.get(name) as Py[] | undefined) ?? [];
  for (const d of needed) ids.push(...(d instanceof PyDict ? [...d.values()] : [d]));
  needs.set(name, ids);
  const own = (texts.get(name) as Py[] | undefined) ?? [];
  for (const chunk of Array.isArray(text) ? (text as Py[]) : [text])
    if (!contains(own, chunk)) {
      own.push(chunk);
      say(ret, true, `Accumulator ${str(name)} for file ${str(a['filename'] as Py)} was charged by text`);
    }
  texts.set(name, own);
  writeFileSync(
    place(ctx),
    encodeBus(
      toWire(
        new PyDict<Py>([
          ['accumulators', g.texts],
          ['accumulators_deps', g.needs],
        ]),
      ),
    ),
    { mode: 0o600 },
  );
  return ret;
}
