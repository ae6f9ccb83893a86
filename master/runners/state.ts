/** Events as they happen. */
import { SaltEvent } from '../../bus/program.ts';
import { toPy } from '../../bus/values.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { dumpJson } from '../../sls/json.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { numberOf, str, truth } from '../../sls/values.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

async function watch(a: Args, ctx: RunnerCtx): Promise<null> {
  const pretty = truth(a['pretty']!);
  const most = numberOf(a['count']!) ?? -1;
  const glob = str(a['tagmatch']!);
  const node = a['node'] === 'minion' ? 'minion' : 'master';
  const dir = typeof a['sock_dir'] === 'string' && a['sock_dir'] ? a['sock_dir'] : ctx.opts.str('sock_dir');
  const bus = new SaltEvent(node, dir);
  try {
    let left = most;
    if (left === 0) return null;
    for await (const e of bus.iterEvents({ full: true, follow: true })) {
      if (!fnmatch(e.tag, glob)) continue;
      if (!truth(a['quiet']!)) {
        const layout = pretty ? { indent: 4, sortKeys: true } : {};
        ctx.print(`${e.tag}\t${dumpJson(toPy(e.data), { fallback: str, ...layout })}`);
      }
      if (left > 0 && --left === 0) break;
    }
  } finally {
    bus.close();
  }
  return null;
}

export default {
  doc: "Watches the master's event bus.",
  functions: {
    event: fn(
      "event(tagmatch='*', count=-1, quiet=False, sock_dir=None, pretty=False, node='master')",
      "Prints events as they happen: tag, tab, data as JSON. tagmatch is a shell pattern, count ends after so many, pretty lays the data out, quiet prints nothing (to wait for an event).\n\nCLI Example:\n\n    salt-run state.event pretty=True\n    salt-run state.event 'salt/job/*/ret/*' count=5",
      watch,
    ),
  },
} satisfies RunnerModule;
