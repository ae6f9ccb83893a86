import { readFileSync } from 'node:fs';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { PyDict, toPy } from '../bus/values.ts';
import { decodeBus } from '../bus/wire/payload.ts';
import type { Calls } from '../minion/call.ts';
import { localCalls } from '../minion/call-local.ts';
import { compileReactions, type ReactionCall, type ReactionCtx, reactionCall } from '../reactor/reaction.ts';
import type { EventToReact } from '../reactor/reactor.ts';
import { reactionRenderer } from '../reactor/render.ts';
import { argspec } from '../sls/bind.ts';
import { Roots } from '../sls/files/roots.ts';
import type { CallBack } from '../sls/python/bridge.ts';
import { type CallSource, SaltLookup } from '../sls/render/jinja.ts';
import { loadModule } from './runner-call.ts';

/** The frame's data: what follows the tag and two line feeds. */
function dataOf(frame: Uint8Array, tag: string): PyDict {
  const data = toPy(decodeBus(frame.subarray(Buffer.byteLength(tag) + 2)));
  return data instanceof PyDict ? data : new PyDict();
}

/** Execution functions as a master's own minion has them; nothing is loaded before a template calls one. */
function functions(opts: Opts, log: Log): CallSource {
  let calls: Calls | undefined;
  const table = (): Calls => {
    calls ??= localCalls(opts.with({ file_client: 'local' }), log);
    return calls;
  };
  return {
    has: (name) => table().has(name),
    call: (name, args, kwargs) => table().call(name, args, kwargs),
    names: () => table().names(),
  };
}

const callBack =
  (table: CallSource): CallBack =>
  (name, args, kwargs) =>
    name === '__has__' ? table.has(String(args[0])) : table.call(name, args, kwargs);

/** Makes the function that turns a batch of events into reaction calls, an answer an event, in order. Never throws for what a file holds. */
export function reactionCompiler(opts: Opts, log: Log): (events: readonly EventToReact[]) => ReactionCall[][] {
  const table = functions(opts, log);
  let roots: Roots | undefined;
  const find = (path: string, saltenv: string): string | undefined => {
    roots ??= new Roots(opts);
    return roots.find(path, saltenv)?.path;
  };
  const ctx: ReactionCtx = {
    opts,
    log,
    render: reactionRenderer(opts, log, {
      salt: { lookup: new SaltLookup(table), back: callBack(table) },
      find: (path, saltenv) => {
        const file = find(path, saltenv);
        return file === undefined ? undefined : { path: file, source: readFileSync(file, 'utf8') };
      },
    }),
    cacheFile(url) {
      const [path = '', query = ''] = url.slice('salt://'.length).split('?');
      const saltenv = /(?:^|&)saltenv=([^&]+)/.exec(query)?.[1] ?? 'base';
      return find(path, saltenv);
    },
    argspec(client, fun) {
      const [module = '', name = ''] = fun.split('.');
      const found = loadModule(client, module);
      const own = found?.aliases && Object.hasOwn(found.aliases, name) ? (found.aliases[name] as string) : name;
      const fn = found && Object.hasOwn(found.functions, own) ? found.functions[own] : undefined;
      return fn && argspec(fn.sig);
    },
  };
  return (events) =>
    events.map((e) =>
      compileReactions(e.sls, e.tag, dataOf(e.frame, e.tag), ctx).flatMap((chunk) => {
        const call = reactionCall(chunk, ctx);
        return call ? [call] : [];
      }),
    );
}
