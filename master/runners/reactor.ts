/** The running master's reactor rules. */
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict, toWire, type WireMap } from '../../bus/values.ts';
import { fn } from '../../sls/signature.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

async function ask(ctx: RunnerCtx, order: string, data: WireMap = {}): Promise<Py> {
  try {
    return await ctx.master(`reactor.${order}`, data);
  } catch (e) {
    if (e instanceof SaltError && e.code === 'SaltDaemonNotRunning')
      throw new SaltError('CommandExecutionError', 'Reactor system is not running.');
    throw e;
  }
}

/** The reference answers with what its rule table said of the change. */
const resultOf = (answer: Py): Py => (answer instanceof PyDict ? (answer.get('result') ?? null) : answer);

export default {
  doc: 'Shows and changes the rules by which the running master reacts to events. Changes last until the master restarts.',
  functions: {
    list: fn(
      "list_(saltenv='base', test=None)",
      'The rules in force: lists of reaction files by tag pattern.\n\nCLI Example:\n\n    salt-run reactor.list',
      (_a, ctx) => ask(ctx, 'list'),
    ),
    add: fn(
      "add(event, reactors, saltenv='base', test=None)",
      "Adds a rule: reaction files for a tag pattern.\n\nCLI Example:\n\n    salt-run reactor.add 'site/*/deployed' reactors=/srv/reactor/deployed.sls",
      async (a, ctx) => {
        const reactors = Array.isArray(a['reactors']) ? a['reactors'] : [a['reactors']!];
        return resultOf(await ask(ctx, 'add', { event: String(a['event']), reactors: toWire(reactors) }));
      },
    ),
    delete: fn(
      "delete(event, saltenv='base', test=None)",
      "Takes the rule of a tag pattern away.\n\nCLI Example:\n\n    salt-run reactor.delete 'site/*/deployed'",
      async (a, ctx) => resultOf(await ask(ctx, 'delete', { event: String(a['event']) })),
    ),
    is_leader: fn(
      'is_leader()',
      'Whether this master reacts to events.\n\nCLI Example:\n\n    salt-run reactor.is_leader',
      (_a, ctx) => ask(ctx, 'is_leader'),
    ),
    set_leader: fn(
      'set_leader(value=True)',
      'Has this master react to events, or not.\n\nCLI Example:\n\n    salt-run reactor.set_leader False',
      (a, ctx) => ask(ctx, 'set_leader', { value: toWire(a['value']!) }),
    ),
  },
} satisfies RunnerModule;
