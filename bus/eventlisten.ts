import { causeChain, eventItem } from './control-events.ts';
import { messageOf, SaltError } from './errors.ts';
import type { BusEvent } from './event.ts';
import { jidTime } from './jid.ts';
import { eventOf } from './record.ts';
import { SegmentStore } from './store/segment.ts';
import { compileGlob } from './tag-match.ts';
import { ControlClient } from './transport/control.ts';
import { EventSocketClient } from './transport/event-client.ts';
import type { EventSocketAddresses } from './transport/ipc.ts';
import type { Wire, WireMap } from './values.ts';

/** Where `--since` points: a position in the log or a time in ms. */
export type Since = { id: number } | { time: number };

/** What to show and from where. */
export interface ListenRequest {
  /** Tags wanted; none means all. */
  globs: readonly string[];
  since?: Since;
  /** Go on live after the past. Without `since` and `cause` it always listens live. */
  follow: boolean;
  /** Show the chain of causes around this event as a tree. */
  cause?: number;
  count?: number;
  json: boolean;
  colour: boolean;
  /** The daemon's control socket, where it has one. */
  control?: string;
  sockets: EventSocketAddresses;
  /** The log's folder, read when the daemon is down. */
  logDir?: string;
}

/** Where lines go and how data is written. */
export interface ListenOutput {
  /** Resolves when the line was taken; rejects or ends the program's signal on a closed pipe. */
  line(text: string): Promise<void> | void;
  warn(text: string): void;
  /** Data as JSON: over several lines with sorted keys as Salt's `state.event pretty=True`, or on one line. */
  dump(data: Wire, pretty: boolean): string;
  signal: AbortSignal;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * Reads a `--since`: a position (digits), a job id, an age (`90s`, `15m`, `1h`, `2d`, `1w`), or a date and time (ISO; local unless it says
 * otherwise). SaltError SaltInvocationError for anything else.
 */
export function parseSince(text: string, now: number): Since {
  const age = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text);
  if (age) return { time: now - Number(age[1]) * (UNITS[age[2] as string] as number) * 1000 };
  const jid = jidTime(text);
  if (jid !== undefined) return { time: jid };
  if (/^\d{1,15}$/.test(text)) return { id: Number(text) };
  const time = Date.parse(text.replace(/^(\d{4}-\d\d-\d\d) /, '$1T').replace(/^(\d{4}-\d\d-\d\d)$/, '$1T00:00:00'));
  if (Number.isNaN(time))
    throw new SaltError('SaltInvocationError', `${text} is no position, age (15m, 2h, 1d) or time (2030-01-01 10:00)`);
  return { time };
}

interface Shown {
  id?: number;
  tag: string;
  data: Wire;
  stamp?: string;
  origin?: string;
  cause?: string | null;
}

const TAG = '\u001b[0;36m';
const DIM = '\u001b[2m';
const RESET = '\u001b[0;0m';

/** Runs until the past is told, the count is reached, the signal comes or the daemon goes away; answers the exit code. */
export async function listen(request: ListenRequest, out: ListenOutput): Promise<number> {
  let left = request.count ?? Number.POSITIVE_INFINITY;
  if (left <= 0) return 0;
  if (request.cause !== undefined) {
    const chain = await chainOf(request, request.cause, out);
    for (const line of tree(chain, request, out)) await out.line(line);
    return 0;
  }
  for await (const e of source(request, out)) {
    if (out.signal.aborted) return 0;
    await out.line(format(e, request, out));
    if (--left <= 0) return 0;
  }
  return 0;
}

/** One event as it is printed: `tag TAB json`, or with `json` all that is known of it on one line. */
function format(e: Shown, request: ListenRequest, out: ListenOutput): string {
  if (request.json) return out.dump({ ...e } as WireMap, false);
  const tag = request.colour ? `${TAG}${e.tag}${RESET}` : e.tag;
  return `${tag}\t${out.dump(e.data, true)}`;
}

async function control(request: ListenRequest): Promise<ControlClient | undefined> {
  if (!request.control) return undefined;
  try {
    return await ControlClient.connect(request.control);
  } catch (e) {
    if (e instanceof SaltError && e.code === 'SaltDaemonNotRunning') return undefined;
    throw e;
  }
}

async function* source(request: ListenRequest, out: ListenOutput): AsyncGenerator<Shown> {
  const client = await control(request);
  if (client) {
    const { since } = request;
    const load: WireMap = { globs: [...request.globs], follow: request.follow || !since };
    if (since && 'id' in since) load['since_id'] = since.id;
    if (since && 'time' in since) load['since_time'] = since.time;
    const items = client.stream('events', load);
    out.signal.addEventListener('abort', () => client.close(), { once: true });
    try {
      for await (const item of items) yield item as unknown as Shown;
    } catch (e) {
      if (!out.signal.aborted) throw e;
    } finally {
      client.close();
    }
    return;
  }
  const wanted = request.globs.map(compileGlob);
  const matches = (tag: string): boolean => !wanted.length || wanted.some((m) => m(tag));
  if (request.since) {
    for await (const e of logEvents(request, out)) if (matches(e.tag)) yield eventItem(e) as unknown as Shown;
    if (!request.follow) return;
  }
  for await (const e of live(request, out.signal)) if (matches(e.tag)) yield e;
}

/** What the pub socket sends, until it closes. */
async function* live(request: ListenRequest, signal: AbortSignal): AsyncGenerator<Shown> {
  const client = new EventSocketClient(request.sockets);
  const queue: Shown[] = [];
  let wake: (() => void) | undefined;
  let over = false;
  const turn = (): void => wake?.();
  await client.listen(
    (e) => {
      queue.push({ tag: e.tag, data: e.data });
      turn();
    },
    () => {
      over = true;
      turn();
    },
  );
  signal.addEventListener('abort', () => client.close(), { once: true });
  try {
    for (;;) {
      for (let e = queue.shift(); e; e = queue.shift()) yield e;
      if (signal.aborted) return;
      if (over) throw new SaltError('SaltDaemonNotRunning', 'The event socket was closed: the daemon stopped');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    client.close();
  }
}

/** Past events straight from the log's files, for when the daemon is down. */
async function* logEvents(request: ListenRequest, out: ListenOutput): AsyncGenerator<BusEvent> {
  const store = await openLog(request);
  try {
    const { since } = request;
    const from = !since ? 1 : 'id' in since ? since.id : await store.seek(since.time);
    for await (const r of store.read(from)) {
      if (out.signal.aborted) return;
      yield eventOf(r);
    }
    if (store.damaged) out.warn(`The event log has ${store.damaged} damaged place(s), which were skipped`);
  } finally {
    await store.close();
  }
}

async function openLog(request: ListenRequest): Promise<SegmentStore> {
  if (!request.logDir)
    throw new SaltError('SaltDaemonNotRunning', 'The past is read from the event log, and none is known here');
  try {
    return await SegmentStore.open(request.logDir, { readOnly: true });
  } catch (e) {
    throw new SaltError(
      'SaltDaemonNotRunning',
      `No daemon answers and its event log cannot be read: ${messageOf(e)}`,
      {},
      { cause: e },
    );
  }
}

async function chainOf(request: ListenRequest, id: number, out: ListenOutput): Promise<Shown[]> {
  const client = await control(request);
  if (client) {
    try {
      const chain: Shown[] = [];
      for await (const item of client.stream('events', { cause: id })) chain.push(item as unknown as Shown);
      return chain;
    } finally {
      client.close();
    }
  }
  const replay = (from: { id?: number; time?: number }): AsyncIterable<BusEvent> =>
    logEvents({ ...request, since: from.id !== undefined ? { id: from.id } : { time: from.time ?? 0 } }, out);
  return (await causeChain({ replay }, id)).map((e) => eventItem(e) as unknown as Shown);
}

const JOB = /^salt\/(?:job|run|wheel)\/(\d{20}(?:_\d+)?)(?:\/|$)/;

/** The chain as a tree: each event under the one that led to it, a job's events under the job's first. */
function* tree(chain: readonly Shown[], request: ListenRequest, out: ListenOutput): Generator<string> {
  const children = new Map<Shown, Shown[]>();
  const byId = new Map<string, Shown>();
  const roots: Shown[] = [];
  for (const e of chain) {
    const jid = JOB.exec(e.tag)?.[1];
    const job = jid ? byId.get(`jid/${jid}`) : undefined;
    const parent = (e.cause ? byId.get(e.cause) : undefined) ?? job;
    if (parent) children.set(parent, [...(children.get(parent) ?? []), e]);
    else roots.push(e);
    if (e.id !== undefined) byId.set(`event/${e.id}`, e);
    if (jid && !job) byId.set(`jid/${jid}`, e);
  }
  const line = (e: Shown, indent: string): string => {
    if (request.json) return out.dump({ ...e } as WireMap, false);
    const text = `${e.id ?? ''} ${e.tag}`;
    const more = `${e.origin ?? ''} ${e.stamp ?? ''}`;
    const mark = e.id === request.cause ? ' *' : '';
    return request.colour
      ? `${indent}${TAG}${text}${RESET}  ${DIM}${more}${RESET}${mark}`
      : `${indent}${text}  ${more}${mark}`;
  };
  // Not recursive: a chain may be as long as the log.
  const stack = roots.map((e) => ({ e, depth: 0 })).reverse();
  for (let top = stack.pop(); top; top = stack.pop()) {
    yield line(top.e, request.json ? '' : '  '.repeat(Math.min(top.depth, 40)));
    for (const c of (children.get(top.e) ?? []).slice().reverse()) stack.push({ e: c, depth: top.depth + 1 });
  }
}
