import { messageOf } from '../../bus/errors.ts';
import { stamp } from '../../bus/jid.ts';
import { type Py, PyDict, toWire, type WireMap } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { iterate, str, truth } from '../../sls/values.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

/** Whether this run has no master: `--local`, and for `send` also a configuration without one. */
function masterless(ctx: ModuleCtx): boolean {
  if (ctx.opts.flag('use_master_when_local')) return false;
  return ctx.opts.flag('local') || ctx.opts.str('file_client') === 'local';
}

/** Puts an event on the minion's own bus; like the reference it leaves the stamp in the caller's map. */
function fireOwn(data: Py, tag: Py, ctx: ModuleCtx): boolean {
  if (!(data instanceof PyDict)) {
    ctx.log.debug(`event.fire: the data of ${str(tag)} is no map`);
    return false;
  }
  data.set('_stamp', stamp());
  return ctx.fireLocal(str(tag), toWire(data) as WireMap);
}

/** Hands an event to the master: at once where salt-call or extra fields ask for it, else through the daemon, which relays it. */
function toMaster(data: Py, tag: Py, preload: Py, ctx: ModuleCtx): boolean {
  if (masterless(ctx)) {
    ctx.log.warning(`Local mode detected. Event with tag ${str(tag)} will NOT be sent.`);
    return false;
  }
  if (truth(preload) || ctx.opts.str('__cli') === 'salt-call') {
    const extra = preload instanceof PyDict ? (toWire(preload) as WireMap) : {};
    try {
      ctx.master.request('_minion_event', { id: ctx.opts.str('id'), tag: str(tag), data: toWire(data), ...extra });
      return true;
    } catch (e) {
      ctx.log.debug(`The event ${str(tag)} did not reach the master: ${messageOf(e)}`);
      return false;
    }
  }
  return ctx.fireLocal('fire_master', { data: toWire(data), tag: str(tag), events: null, pretag: null });
}

/** The part of a map that a list of names chooses, in the map's order. */
function chosen(wanted: Py, from: PyDict): PyDict {
  const names = new Set([...iterate(wanted)]);
  return new PyDict([...from].filter(([k]) => names.has(k)));
}

function send(a: Args, ctx: ModuleCtx): boolean {
  const data = new PyDict();
  const add = (name: string, wanted: Py, all: () => PyDict): void => {
    if (truth(wanted)) data.set(name, Array.isArray(wanted) ? chosen(wanted, all()) : all());
  };
  add('environ', a['with_env'] as Py, () => new PyDict(Object.entries(process.env).map(([k, v]) => [k, v ?? ''])));
  add('grains', a['with_grains'] as Py, () => ctx.grains);
  add('pillar', a['with_pillar'] as Py, () => ctx.pillar);
  if (truth(a['with_env_opts'] as Py)) {
    data.set('saltenv', ctx.opts.get('saltenv') ?? 'base');
    data.set('pillarenv', ctx.opts.get('pillarenv') ?? null);
  }
  for (const [k, v] of a['kwargs'] as PyDict) data.set(k, v);
  if (a['data'] instanceof PyDict) for (const [k, v] of a['data']) data.set(k, v);
  const alone =
    masterless(ctx) || (ctx.opts.str('master_type') === 'disable' && !ctx.opts.flag('use_master_when_local'));
  return alone ? fireOwn(data, a['tag'] as Py, ctx) : toMaster(data, a['tag'] as Py, a['preload'] as Py, ctx);
}

/** `event`: puts events on the minion's and the master's bus. */
export default {
  doc: 'Fires events on the bus of this minion and of its master.',
  functions: {
    fire: fn(
      'fire(data, tag)',
      "Puts an event on this minion's own bus; answers whether it was taken.\n\nCLI Example:\n\n    salt '*' event.fire '{\"data\": \"my words\"}' site/tag",
      ({ data, tag }, ctx) => fireOwn(data as Py, tag as Py, ctx),
    ),
    fire_master: fn(
      'fire_master(data, tag, preload=None)',
      "Puts an event on the master's bus; answers whether it was sent.\n\nCLI Example:\n\n    salt '*' event.fire_master '{\"data\": \"my words\"}' site/tag",
      ({ data, tag, preload }, ctx) => toMaster(data as Py, tag as Py, preload as Py, ctx),
    ),
    send: fn(
      'send(tag, data=None, preload=None, with_env=False, with_grains=False, with_pillar=False, with_env_opts=False, **kwargs)',
      "Puts an event on the master's bus, with keyword arguments, environment, grains or pillar as its data.\n\nCLI Example:\n\n    salt-call event.send site/deploy/done version=4 with_grains='[id]'",
      send,
    ),
  },
} satisfies ExecutionModule;
