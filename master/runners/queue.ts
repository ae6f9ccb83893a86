/** Operators' own queues of items, and the queue of reactions that wait for their turn. */
import { join } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { tags } from '../../bus/tags.ts';
import { type Py, PyDict, toWire, type WireMap } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { numberOf, str, truth } from '../../sls/values.ts';
import { ItemQueues } from '../item-queues.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

/** The name under which the reference knows the store for one machine; ours answers to it. */
const BACKEND = 'sqlite';

function open(a: Args, ctx: RunnerCtx, what: string): ItemQueues {
  if (a['backend'] !== BACKEND)
    throw new SaltError('SaltInvocationError', `Function "${str(a['backend']!)}.${what}" is not available`);
  return new ItemQueues(join(ctx.opts.str('cachedir'), 'queues'));
}

const listed = (items: Py): Py[] => (Array.isArray(items) ? items : [items]);

function quantity(v: Py): number | 'all' {
  if (v === 'all') return v;
  const n = numberOf(v) ?? Number(v);
  if (!Number.isInteger(n) || n < 0)
    throw new SaltError('SaltInvocationError', `Quantity must be an integer or "all".\nError: "${str(v)}".`);
  return n;
}

async function process(a: Args, ctx: RunnerCtx): Promise<PyDict> {
  const queue = str(a['queue']!);
  const items = await open(a, ctx, 'pop').pop(queue, quantity(a['quantity']!));
  const data: WireMap = { items: toWire(items), backend: BACKEND, queue };
  await ctx.fire(tags.queueProcess(queue), data);
  return new PyDict<Py>([
    ['items', items],
    ['backend', BACKEND],
    ['queue', queue],
  ]);
}

/** Queue and backend for runner calls: given, or `runner_queue` of the configuration. */
function forRunners(a: Args, ctx: RunnerCtx): Args {
  const own = ctx.opts.dict('runner_queue');
  const queue = a['queue'] ?? own.get('queue') ?? null;
  if (queue === null) throw new SaltError('SaltInvocationError', 'No queue is given, and runner_queue names none');
  return { queue, backend: a['backend'] ?? own.get('backend') ?? BACKEND };
}

async function processRunner(a: Args, ctx: RunnerCtx): Promise<null> {
  const { items } = Object.fromEntries(await process({ ...forRunners(a, ctx), quantity: a['quantity']! }, ctx)) as {
    items: Py[];
  };
  for (const item of items) {
    if (!(item instanceof PyDict)) throw new SaltError('TypeError', 'an item is no call of a runner');
    const kwargs = item.get('kwargs');
    const named = kwargs instanceof PyDict ? Object.fromEntries([...kwargs].map(([k, v]) => [str(k), v])) : {};
    await ctx.run(str(item.get('fun') ?? ''), listed(item.get('args') ?? []), named);
  }
  return null;
}

const limit = (a: Args): WireMap => ({ limit: numberOf(a['limit']!) ?? 100 });

export default {
  doc: 'Keeps items in queues, and shows the reactions that wait.',
  functions: {
    insert: fn(
      "insert(queue, items, backend='sqlite')",
      "Adds an item, or a list of items, to a queue.\n\nCLI Example:\n\n    salt-run queue.insert hosts web1\n    salt-run queue.insert hosts \"['web1', 'web2']\"",
      (a, ctx) => open(a, ctx, 'insert').insert(str(a['queue']!), listed(a['items']!)),
    ),
    delete: fn(
      "delete(queue, items, backend='sqlite')",
      'Takes an item, or a list of items, out of a queue.\n\nCLI Example:\n\n    salt-run queue.delete hosts web1',
      (a, ctx) => open(a, ctx, 'delete').delete(str(a['queue']!), listed(a['items']!)),
    ),
    list_queues: fn(
      "list_queues(backend='sqlite')",
      'Names of the queues.\n\nCLI Example:\n\n    salt-run queue.list_queues',
      (a, ctx) => open(a, ctx, 'list_queues').names(),
    ),
    list_length: fn(
      "list_length(queue, backend='sqlite')",
      'How many items a queue holds.\n\nCLI Example:\n\n    salt-run queue.list_length hosts',
      (a, ctx) => open(a, ctx, 'list_length').items(str(a['queue']!)).length,
    ),
    list_items: fn(
      "list_items(queue, backend='sqlite')",
      'Items of a queue, the next one first.\n\nCLI Example:\n\n    salt-run queue.list_items hosts',
      (a, ctx) => open(a, ctx, 'list_items').items(str(a['queue']!)),
    ),
    pop: fn(
      "pop(queue, quantity=1, backend='sqlite', is_runner=False)",
      'Takes items from the front of a queue: so many, or all.\n\nCLI Example:\n\n    salt-run queue.pop hosts 6',
      (a, ctx) => open(a, ctx, 'pop').pop(str(a['queue']!), quantity(a['quantity']!)),
    ),
    process_queue: fn(
      "process_queue(queue, quantity=1, backend='sqlite', is_runner=False)",
      'Takes items from the front of a queue and fires them as one event, salt/queue/<queue>/process, for a reactor.\n\nCLI Example:\n\n    salt-run queue.process_queue hosts all',
      async (a, ctx) => {
        try {
          return await process(a, ctx);
        } catch (e) {
          if (!(e instanceof SaltError) || e.code !== 'SaltInvocationError') throw e;
          ctx.progress(new PyDict<Py>([['errors', e.message]]));
          return false;
        }
      },
    ),
    insert_runner: fn(
      'insert_runner(fun, args=None, kwargs=None, queue=None, backend=None)',
      'Puts the call of a runner into a queue, for process_runner.\n\nCLI Example:\n\n    salt-run queue.insert_runner event.send args=site/deployed queue=later',
      (a, ctx) => {
        const place = forRunners(a, ctx);
        const args = typeof a['args'] === 'string' ? a['args'].split(',') : (a['args'] ?? []);
        const call = new PyDict<Py>([
          ['fun', a['fun']!],
          ['args', args],
          ['kwargs', truth(a['kwargs']!) ? a['kwargs']! : new PyDict()],
        ]);
        return open(place, ctx, 'insert').insert(str(place['queue']!), [call]);
      },
    ),
    process_runner: fn(
      'process_runner(quantity=1, queue=None, backend=None)',
      'Takes calls of runners from the front of a queue and runs them.\n\nCLI Example:\n\n    salt-run queue.process_runner 5 queue=later',
      processRunner,
    ),
    counts: fn(
      'counts()',
      'How many reactions wait, run and were given up, in the queue of the running master.\n\nCLI Example:\n\n    salt-run queue.counts',
      (_a, ctx) => ctx.master('queue.counts'),
    ),
    jobs: fn(
      'jobs(limit=100)',
      'Reactions that wait or run, the next one first.\n\nCLI Example:\n\n    salt-run queue.jobs',
      (a, ctx) => ctx.master('queue.list', limit(a)),
    ),
    dead: fn(
      'dead(limit=100)',
      'Reactions that were given up, and why.\n\nCLI Example:\n\n    salt-run queue.dead',
      (a, ctx) => ctx.master('queue.dead', limit(a)),
    ),
    revive: fn(
      'revive(id)',
      'Puts a reaction that was given up back into the queue; whether there was one.\n\nCLI Example:\n\n    salt-run queue.revive 4711-0',
      (a, ctx) => ctx.master('queue.revive', { id: str(a['id']!) }),
    ),
    remove: fn(
      'remove(id)',
      'Takes a reaction out of the queue, waiting or given up; whether there was one.\n\nCLI Example:\n\n    salt-run queue.remove 4711-0',
      (a, ctx) => ctx.master('queue.remove', { id: str(a['id']!) }),
    ),
  },
} satisfies RunnerModule;
