import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, PyFloat, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { fnmatch, hasGlob } from '../sls/fnmatch.ts';
import { type High, type LowChunk, lowChunks, padFunctions, verifyHigh } from '../sls/high.ts';
import { orderChunks } from '../sls/requisites.ts';
import type { ArgSpec } from '../sls/signature.ts';
import { repr, str, truth } from '../sls/values.ts';

/** The clients a reaction may go to. */
export type ReactionClient = 'local' | 'runner' | 'wheel' | 'caller';

/** What a reaction asks for, ready to be queued: the client, the function, its arguments, and for `local` the target and job fields. */
export interface ReactionCall {
  readonly client: ReactionClient;
  /** The id of the reaction in its SLS, and the file. */
  readonly id: string;
  readonly sls: string;
  readonly fun: string;
  readonly arg: Wire;
  readonly kwarg: Wire;
  /** `tgt, tgt_type, ret, timeout, metadata …` of a local reaction. */
  readonly extra: WireMap;
}

/** What rendering reactions needs. */
export interface ReactionCtx {
  readonly opts: Opts;
  readonly log: Log;
  /** Renders one SLS file with `tag` and `data` through its `#!` line; throws SaltRenderError. */
  render(source: string, path: string, context: PyDict): Py;
  /** The local copy of a `salt://` file; undefined when the file server has none. */
  cacheFile(url: string): string | undefined;
  /** The argspec of a runner or wheel function; undefined when there is none of this name. */
  argspec(client: 'runner' | 'wheel', fun: string): ArgSpec | undefined;
}

const OLD_NAMES: Readonly<Record<string, ReactionClient>> = { cmd: 'local' };
const CLIENTS: ReadonlySet<string> = new Set(['local', 'runner', 'wheel', 'caller']);
/** What the compiler adds to a chunk and no function is given. */
const INTERNAL: ReadonlySet<string> = new Set(['__id__', '__sls__', 'name', 'order', 'fun', 'key', 'state']);

/** Paths of a glob on the local disk in sorted order; a plain path is itself when it exists. */
export function expandPath(pattern: string): string[] {
  if (!hasGlob(pattern)) {
    try {
      statSync(pattern);
      return [pattern];
    } catch {
      return [];
    }
  }
  const parts = pattern.split('/');
  let found = [pattern.startsWith('/') ? '/' : '.'];
  for (const part of parts.filter((p) => p !== '')) {
    const next: string[] = [];
    for (const dir of found) {
      let names: string[];
      try {
        names = hasGlob(part)
          ? readdirSync(dir).filter((n) => (part.startsWith('.') || !n.startsWith('.')) && fnmatch(n, part))
          : [part];
      } catch {
        continue;
      }
      for (const n of names.sort()) {
        const path = join(dir, n);
        try {
          statSync(path);
          next.push(path);
        } catch {
          // Gone, or a name that only the pattern's literal part promised.
        }
      }
    }
    found = next;
  }
  return found;
}

/** Renders one entry of a rule (a path, a glob or a `salt://` address) into high data; a broken file is logged and left out. */
function renderFiles(entry: string, tag: string, data: PyDict, ctx: ReactionCtx): PyDict {
  const high: High = new PyDict();
  const path = entry.startsWith('salt://') ? (ctx.cacheFile(entry) ?? '') : entry;
  const files = path ? expandPath(path) : [];
  if (!files.length) ctx.log.error(`Can not render SLS ${path} for tag ${tag}. File missing or not found.`);
  for (const file of files) {
    try {
      const source = readFileSync(file, 'utf8');
      const rendered = source.trim()
        ? ctx.render(
            source,
            file,
            new PyDict<Py>([
              ['tag', tag],
              ['data', data],
            ]),
          )
        : new PyDict();
      if (!truth(rendered)) continue;
      const padded = padFunctions(rendered);
      for (const [id, body] of padded) {
        if (!(body instanceof PyDict)) throw new TypeError(`'${str(id)}' has no dictionary to it`);
        body.set('__sls__', file);
      }
      for (const [id, body] of padded) high.set(id, body as Py);
    } catch (e) {
      ctx.log.error(`Failed to render "${file}": \n${messageOf(e)}`);
    }
  }
  return high;
}

/** Renders the SLS files of an event and compiles them to low chunks in order of execution; errors are logged and give none. */
export function compileReactions(files: readonly string[], tag: string, data: PyDict, ctx: ReactionCtx): LowChunk[] {
  const high: High = new PyDict();
  for (const f of files) for (const [id, body] of renderFiles(f, tag, data, ctx)) high.set(id, body as Py);
  if (!high.size) return [];
  const refuse = (errors: string[]): LowChunk[] => {
    ctx.log.error(
      `Unable to render reactions for event ${tag} due to errors (${repr(errors)}) in one or more of the sls files (${repr([...files])})`,
    );
    return [];
  };
  const bad = verifyHigh(high);
  if (bad.length) return refuse(bad);
  const { chunks, errors } = orderChunks(lowChunks(high));
  if (errors.length) return refuse(errors);
  for (const c of chunks) {
    const client = OLD_NAMES[str(c.get('state') ?? null)];
    if (client) c.set('state', client);
  }
  return chunks;
}

/** A list of one-key maps (and bare words) as one map; undefined when the list is of another form. */
function repack(list: Py): PyDict | undefined {
  if (!Array.isArray(list)) return undefined;
  const out = new PyDict();
  for (const one of list as Py[]) {
    if (one instanceof PyDict) {
      if (one.size !== 1) return undefined;
      for (const [k, v] of one) out.set(k, v as Py);
    } else if (['string', 'number', 'bigint', 'boolean'].includes(typeof one) || one instanceof PyFloat)
      out.set(one, null);
    else return undefined;
  }
  return out;
}

const isDictList = (v: Py): boolean =>
  Array.isArray(v) && v.length > 0 && (v as Py[]).every((x) => x instanceof PyDict && x.size === 1);

/** Fills a function's parameters from a chunk's keys, as the old form of runner and wheel reactions wants it. */
function fillParameters(spec: ArgSpec, chunk: LowChunk): { arg: Py[]; kwarg: PyDict } {
  const names = spec.args ?? [];
  const defaults = spec.defaults ?? [];
  const required = names.slice(0, names.length - defaults.length);
  const rest = new PyDict(chunk);
  const kwarg = new PyDict();
  names.slice(required.length).forEach((n, i) => {
    kwarg.set(n, rest.has(n) ? (rest.get(n) as Py) : (defaults[i] as Py));
    rest.delete(n);
  });
  const arg = required.map((n) => {
    if (!rest.has(n)) throw new SaltError('SaltInvocationError', `missing argument '${n}'`);
    const v = rest.get(n) as Py;
    rest.delete(n);
    return v;
  });
  const extra = [...rest].filter(([k]) => !INTERNAL.has(str(k)));
  if (spec.kwargs) for (const [k, v] of extra) kwarg.set(k, v as Py);
  else if (extra.length)
    throw new SaltError(
      'SaltInvocationError',
      `${extra.map(([k]) => `'${str(k)}'`).join(', ')} ${extra.length === 1 ? 'is an invalid keyword argument' : 'are invalid keyword arguments'}`,
    );
  return { arg, kwarg };
}

/** Turns a chunk into the call that is queued; undefined when it cannot be made (then the reason was logged, in the reference's words). */
export function reactionCall(chunk: LowChunk, ctx: ReactionCtx): ReactionCall | undefined {
  const client = str(chunk.get('state') ?? null);
  const id = str(chunk.get('__id__') ?? null);
  const fun = str(chunk.get('fun') ?? null);
  const failed = (why: string): undefined => {
    ctx.log.error(`Reactor '${id}' failed to execute ${client} '${fun}'${why}`);
    return undefined;
  };
  if (!CLIENTS.has(client)) {
    ctx.log.error(
      `Reactor '${id}' in ${str(chunk.get('__sls__') ?? null)}: unknown reaction type '${client}', use one of local, runner, wheel, caller`,
    );
    return undefined;
  }
  if (client === 'local' && !chunk.has('tgt')) return failed('');
  let arg: Py = [];
  let kwarg: Py = new PyDict();
  if (chunk.has('args')) {
    const args = chunk.get('args') as Py;
    for (const old of ['arg', 'kwarg'])
      if (chunk.has(old))
        ctx.log.warning(
          `Reactor '${id}' is ignoring '${old}' param ${orderedRepr(chunk.get(old) as Py)} due to presence of 'args' param. Check the Reactor System documentation for the correct argument format.`,
        );
    if (client === 'caller' && Array.isArray(args) && !isDictList(args)) arg = args;
    else {
      const packed = args instanceof PyDict ? args : repack(args);
      if (!packed?.size && !(args instanceof PyDict))
        return failed(': Incorrect argument format, check the Reactor System documentation for the correct format.');
      kwarg = packed as PyDict;
    }
  } else {
    let filled: { arg: Py[]; kwarg: PyDict } = { arg: [], kwarg: new PyDict() };
    if ((client === 'runner' || client === 'wheel') && !(chunk.has('arg') && chunk.has('kwarg'))) {
      const spec = ctx.argspec(client, fun);
      if (!spec) return failed(': function not available');
      try {
        filled = fillParameters(spec, chunk);
      } catch (e) {
        return failed(e instanceof SaltError ? '' : `: ${messageOf(e)}`);
      }
    }
    arg = chunk.has('arg') ? (chunk.get('arg') as Py) : filled.arg;
    kwarg = chunk.has('kwarg') ? (chunk.get('kwarg') as Py) : filled.kwarg;
  }
  const extra: WireMap = {};
  if (client === 'local')
    for (const [k, v] of chunk) {
      const key = str(k);
      if (!INTERNAL.has(key) && key !== 'arg' && key !== 'kwarg' && key !== 'args') extra[key] = toWire(v as Py);
    }
  return {
    client: client as ReactionClient,
    id,
    sls: str(chunk.get('__sls__') ?? null),
    fun,
    arg: toWire(arg),
    kwarg: toWire(kwarg),
    extra,
  };
}

/** A mapping as the reference's log prints one that came out of YAML. */
function orderedRepr(v: Py): string {
  if (!(v instanceof PyDict)) return repr(v);
  return `OrderedDict([${[...v].map(([k, x]) => `(${repr(k)}, ${orderedRepr(x as Py)})`).join(', ')}])`;
}
