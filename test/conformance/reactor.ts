import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { LEVELS, Log } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { type Py, PyDict, PyFloat, toPy, type Wire } from '../../bus/values.ts';
import { loadModule } from '../../master/runner-call.ts';
import { compileReactions, type ReactionCtx, reactionCall } from '../../reactor/reaction.ts';
import { reactionRenderer } from '../../reactor/render.ts';
import { Rules } from '../../reactor/rules.ts';
import { argspec } from '../../sls/bind.ts';
import type { CaseResult } from './result.ts';

interface Case {
  name: string;
  reactor: Wire[];
  files: Record<string, string>;
  event: { tag: string; data: Wire };
  reactors: string[];
  low: unknown[];
  calls: Record<string, unknown>[];
  log: [string, string][];
  reactor_process_dies?: string;
}

/** Plain JSON of a value, as the recorded files write data: tuples as lists, whole floats as numbers. */
function plain(v: unknown): unknown {
  if (v instanceof PyFloat) return v.v;
  if (v instanceof PyDict)
    return Object.fromEntries(
      [...v].map(([k, x]) => [typeof k === 'string' ? k : typeof k === 'boolean' ? String(k) : String(k), plain(x)]),
    );
  if (Array.isArray(v)) return v.map(plain);
  if (typeof v === 'object' && v !== null) return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]));
  return v;
}
/** The same with keys in one order, so that a comparison of texts does not mind it. */
function canonical(v: unknown): string {
  const sort = (x: unknown): unknown =>
    Array.isArray(x)
      ? x.map(sort)
      : typeof x === 'object' && x !== null
        ? Object.fromEntries(
            Object.entries(x)
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([k, y]) => [k, sort(y)]),
          )
        : x;
  return JSON.stringify(sort(v));
}

/** Runs the recorded reactor cases of a file against the rules and the compiler of reactions. */
export function runReactor(file: string): CaseResult[] {
  const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[];
  return cases.map((c) => {
    const root = mkdtempSync(join(tmpdir(), 'brine-reactor-'));
    try {
      return { name: c.name, ...one(c, root) };
    } catch (e) {
      return { name: c.name, ok: false, detail: `threw ${e instanceof Error ? e.stack : String(e)}` };
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
}

function one(c: Case, root: string): { ok: boolean; detail?: string } {
  const here = (text: string): string => text.replaceAll('<REACTOR>', root);
  const there = (text: string): string => text.replaceAll(root, '<REACTOR>');
  for (const [path, text] of Object.entries(c.files)) {
    mkdirSync(dirname(here(path)), { recursive: true });
    writeFileSync(here(path), here(text));
  }
  const logged: [string, string][] = [];
  const log = new Log(
    'reactor',
    (r) => void logged.push([r.level.toUpperCase(), there(r.message.split('\n')[0] as string)]),
    LEVELS.warning,
  );
  const opts = new Opts(
    new PyDict<Py>([
      ['file_roots', new PyDict()],
      ['renderer', 'jinja|yaml'],
    ]),
  );
  const ctx: ReactionCtx = {
    opts,
    log,
    render: reactionRenderer(opts, log),
    cacheFile: () => undefined,
    argspec(client, fun) {
      const [module = '', name = ''] = fun.split('.');
      const found = loadModule(client, module)?.functions[name];
      return found ? argspec(found.sig) : undefined;
    },
  };
  const rules = new Rules(toPy(JSON.parse(here(JSON.stringify(c.reactor))) as Wire) as Py[]);
  const reactors = rules.match(c.event.tag);
  const data = toPy(c.event.data) as PyDict;
  data.set('_stamp', '2030-01-01T00:00:00.000000+00:00');
  const low = reactors.length ? compileReactions(reactors, c.event.tag, data, ctx) : [];
  const calls = low.flatMap((chunk) => {
    const call = reactionCall(chunk, ctx);
    if (!call) return [];
    const { client, fun, arg, kwarg, extra } = call;
    return [{ client, fun, ...extra, arg, kwarg }];
  });
  const differ: string[] = [];
  const compare = (what: string, ours: unknown, theirs: unknown): void => {
    const a = there(canonical(plain(ours)));
    const b = canonical(theirs);
    if (a !== b) differ.push(`${what}: ours   ${a}\n${' '.repeat(what.length)}  theirs ${b}`);
  };
  compare('reactors', reactors, c.reactors);
  compare('low', low, c.low);
  compare('calls', calls, c.calls);
  compare(
    'log',
    logged.map(([l, t]) => [l, t.trimEnd()]),
    c.log.map(([l, t]) => [l, t.trimEnd()]),
  );
  return differ.length ? { ok: false, detail: differ.join('\n') } : { ok: true };
}
