import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { EventBus } from '../bus/event.ts';
import type { JidSource } from '../bus/jid.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import type { DeadLetter, JobQueue } from '../bus/queue/contract.ts';
import { openEmbeddedQueue } from '../bus/queue/embedded.ts';
import { tags } from '../bus/tags.ts';
import { type Py, toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { type ReactorStats, startReactor } from '../reactor/reactor.ts';
import { Rules } from '../reactor/rules.ts';
import { loadYaml } from '../sls/yaml.ts';
import type { Order } from './control.ts';
import { startDispatch } from './dispatch.ts';
import type { JobProcesses } from './job-processes.ts';
import type { Publisher } from './publish.ts';
import { ReactionRenderer } from './reaction-renderer.ts';

/** What reactions are wired from. */
export interface ReactionParts {
  opts: Opts;
  bus: EventBus;
  publisher: Publisher;
  processes: JobProcesses;
  jids: JidSource;
  log: Log;
  orders: Map<string, Order>;
  /** The user that reactions' jobs are published as. */
  user: string;
}

/** The reactor, its queue and what takes from it. */
export interface Reactions {
  readonly queue: JobQueue;
  readonly rules: Rules;
  readonly stats: ReactorStats;
  stop(): Promise<void>;
}

/** Reads the `reactor` option: a list, or the path of a YAML file that holds one. Throws SaltConfigurationError naming the file. */
export function reactorMap(opts: Opts): Py[] {
  const map = opts.get('reactor');
  if (typeof map !== 'string') return opts.list('reactor');
  try {
    const read = loadYaml(readFileSync(map, 'utf8'));
    if (!Array.isArray(read)) throw new Error('it holds no list');
    return read as Py[];
  } catch (e) {
    throw new SaltError('SaltConfigurationError', `Failed to read reactor map: "${map}": ${messageOf(e)}`, {
      file: map,
    });
  }
}

/** Opens the queue that `job_queue` names. */
export async function openQueue(opts: Opts, log: Log, onDead: (letter: DeadLetter) => void): Promise<JobQueue> {
  const wanted = opts.dict('job_queue');
  if (wanted.get('adapter') === 'bullmq') {
    const { openBullmqQueue } = await import('../bus/queue/bullmq.ts');
    const name = wanted.get('name');
    return openBullmqQueue({
      url: String(wanted.get('redis') ?? 'redis://127.0.0.1:6379/0'),
      ...(typeof name === 'string' ? { name } : {}),
      log,
      onDead,
    });
  }
  return openEmbeddedQueue(join(opts.str('cachedir'), 'queue'), { log, onDead });
}

/** Starts rules -> queue -> dispatch, and adds the orders `reactor.*` and `queue.*`. */
export async function startReactions(p: ReactionParts): Promise<Reactions> {
  const { opts, bus } = p;
  const log = p.log.child('reactor');
  const rules = new Rules();
  try {
    rules.replace(reactorMap(opts));
  } catch (e) {
    log.error(messageOf(e));
  }
  const queue = await openQueue(opts, log, (letter) => {
    bus.fire(
      tags.queueDead,
      { id: letter.id, reason: letter.reason, attempts: letter.attempts, data: letter.data },
      { origin: 'master', cause: typeof letter.data['event'] === 'number' ? `event/${letter.data['event']}` : null },
    );
  });
  const renderer = new ReactionRenderer(opts, log);
  const reactor = startReactor({ bus, rules, queue, jids: p.jids, log, compile: (events) => renderer.compile(events) });
  const dispatch = startDispatch({
    queue,
    bus,
    publisher: p.publisher,
    processes: p.processes,
    log,
    user: p.user,
    concurrency: Math.max(1, opts.num('reactor_worker_threads', 10)),
    delivery: opts.num('reaction_delivery', 60),
  });
  let leader = true;
  const add = (name: string, order: Order): void => void p.orders.set(name, order);
  add('reactor.list', () => rules.list().map(toWire));
  add('reactor.add', (data) => {
    const result = rules.add(String(data['event']), toPy(data['reactors']));
    return { reactors: rules.list().map(toWire), result };
  });
  add('reactor.delete', (data) => {
    const result = rules.delete(String(data['event']));
    return { reactors: rules.list().map(toWire), result };
  });
  add('reactor.is_leader', () => leader);
  add('reactor.set_leader', (data) => {
    leader = data['value'] !== false;
    rules.paused = !leader;
    return leader;
  });
  add('reactor.stats', () => ({ ...reactor.stats }) as unknown as WireMap);
  const limit = (data: WireMap): number => (typeof data['limit'] === 'number' ? data['limit'] : 100);
  add('queue.counts', async () => ({ ...(await queue.counts()) }));
  add('queue.list', async (data) => (await queue.list(limit(data))).map((j) => ({ ...j }) as unknown as Wire));
  add('queue.dead', async (data) => (await queue.dead(limit(data))).map((d) => ({ ...d }) as unknown as Wire));
  add('queue.revive', (data) => queue.revive(String(data['id'])));
  add('queue.remove', (data) => queue.remove(String(data['id'])));
  return {
    queue,
    rules,
    stats: reactor.stats,
    async stop() {
      renderer.close();
      await reactor.stop();
      await dispatch.stop();
    },
  };
}
