import { messageOf, SaltError } from '../../bus/errors.ts';
import { type Py, PyDict, PyTuple, toWire, type WireMap } from '../../bus/values.ts';
import { cleanKwargs } from '../../sls/call-format.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { str, truth } from '../../sls/values.ts';
import { callMineFunction, MINE_LIMITS, mineDefinition, wrapMineValue } from '../mine.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const MATCHERS = ['glob', 'pcre', 'list', 'grain', 'grain_pcre', 'ipcidr', 'compound', 'pillar', 'pillar_pcre'];

const local = (ctx: ModuleCtx): boolean => ctx.opts.str('file_client') === 'local';

/** Sends a load to the master's mine and answers whether it went. */
function toMaster(cmd: string, load: WireMap, ctx: ModuleCtx): Py {
  try {
    ctx.master.request(cmd, { ...load, id: ctx.opts.str('id') });
    return true;
  } catch (e) {
    ctx.log.warning(`Unable to send mine data to master. (${messageOf(e)})`);
    return false;
  }
}

/** Keeps mine data: at the master, or without one in the minion's own data store. */
function store(data: PyDict, clear: boolean, ctx: ModuleCtx): Py {
  if (!local(ctx)) return toMaster('_mine', { data: toWire(data), clear }, ctx);
  const old = clear ? undefined : ctx.salt.call('data.get', ['mine_cache']);
  const all = old instanceof PyDict ? new PyDict([...old, ...data]) : data;
  return ctx.salt.call('data.update', ['mine_cache', all]);
}

/** The functions to run: given, or `mine_functions` of configuration, grains and pillar. */
function wanted(given: Py, ctx: ModuleCtx): PyDict | undefined {
  const from = truth(given) ? given : ctx.salt.call('config.merge', ['mine_functions', new PyDict()]);
  if (Array.isArray(from)) return new PyDict(from.map((f) => [f as Py, new PyDict()] as const));
  return from instanceof PyDict && from.size ? from : undefined;
}

function known(name: string, ctx: ModuleCtx): boolean {
  if (ctx.salt.has(name)) return true;
  ctx.log.error(`Function ${name} in mine_functions not available`);
  return false;
}

function update({ clear, mine_functions }: Args, ctx: ModuleCtx): Py {
  const functions = wanted(mine_functions as Py, ctx);
  if (!functions) return null;
  const data = new PyDict();
  for (const [alias, given] of functions) {
    const def = mineDefinition(given);
    const name = def.name ?? str(alias);
    if (!known(name, ctx)) continue;
    try {
      data.set(alias, wrapMineValue(callMineFunction(ctx.salt, name, def.args, def.kwargs), def.acl));
    } catch (e) {
      ctx.log.error(`Function ${name} in mine.update failed to execute`);
      ctx.log.debug(`Error: ${messageOf(e)}`);
    }
  }
  return store(data, truth(clear as Py), ctx);
}

function send({ name, args, kwargs }: Args, ctx: ModuleCtx): Py {
  const own = cleanKwargs(kwargs as PyDict);
  const take = (k: string): Py => {
    const v = own.get(k) ?? null;
    own.delete(k);
    return v;
  };
  const fun = str(take('mine_function') ?? (name as Py));
  const acl = new PyDict();
  for (const k of MINE_LIMITS) {
    const v = take(k);
    if (truth(v)) acl.set(k, v);
  }
  try {
    const value = callMineFunction(ctx.salt, fun, args as Py[], own);
    return store(new PyDict([[name as Py, wrapMineValue(value, acl)]]), false, ctx);
  } catch (e) {
    ctx.log.error(`Function ${fun} in mine.send failed to execute`);
    ctx.log.debug(`Error: ${messageOf(e)}`);
    return false;
  }
}

/** The mine of a minion without a master: its own data, when the target means it. */
function getLocal(tgt: Py, fun: Py, tgtType: string, ctx: ModuleCtx): PyDict {
  const out = new PyDict();
  if (!MATCHERS.includes(tgtType)) throw new SaltError('KeyError', `'${tgtType}'`);
  if (!truth(ctx.salt.call(`match.${tgtType}`, [tgt]))) return out;
  const data = ctx.salt.call('data.get', ['mine_cache']);
  if (!(data instanceof PyDict)) return out;
  const functions = typeof fun === 'string' ? [...new Set(fun.split(','))] : Array.isArray(fun) ? (fun as Py[]) : [];
  const byFunction = Array.isArray(fun) || functions.length > 1;
  const id = ctx.opts.str('id');
  for (const f of functions) {
    const entry = data.get(f as Py);
    if (entry === undefined) continue;
    const value = entry instanceof PyDict && entry.has('__saltmine_acl__') ? (entry.get('__data__') ?? null) : entry;
    if (byFunction) out.set(f as Py, new PyDict([[id, value]]));
    else out.set(id, value);
  }
  return out;
}

function get({ tgt, fun, tgt_type, exclude_minion }: Args, ctx: ModuleCtx): Py {
  const type = str(tgt_type as Py);
  if (local(ctx)) return getLocal(tgt as Py, fun as Py, type, ctx);
  const id = ctx.opts.str('id');
  const got = ctx.master.request('_mine_get', { id, tgt: toWire(tgt), fun: toWire(fun), tgt_type: type });
  if (truth(exclude_minion as Py) && got instanceof PyDict) got.delete(id);
  return got;
}

function remove({ fun }: Args, ctx: ModuleCtx): Py {
  if (!local(ctx)) return toMaster('_mine_delete', { fun: toWire(fun) }, ctx);
  const data = ctx.salt.call('data.get', ['mine_cache']);
  if (data instanceof PyDict) data.delete(fun as Py);
  return ctx.salt.call('data.update', ['mine_cache', data]);
}

function valid(ctx: ModuleCtx): Py {
  const functions = wanted(null, ctx);
  if (!functions) return null;
  const out = new PyDict();
  for (const [alias, given] of functions) {
    const def = mineDefinition(given);
    if (!known(def.name ?? str(alias), ctx)) continue;
    if (def.name === undefined) out.set(alias, given);
    else
      out.set(
        alias,
        new PyDict<Py>([[def.name, [...def.args, ...[...def.kwargs].map((pair) => new PyDict<Py>([pair]))]]]),
      );
  }
  return out;
}

type Ports = Map<Py, Py[]>;

/** Addresses of a Docker host that containers listening everywhere can be reached at. */
function hostAddresses(host: PyDict, interfaces: Py[], cidrs: Py[], ctx: ModuleCtx): string[] {
  const all = host.get('interfaces');
  const out = new Set<string>();
  if (all instanceof PyDict)
    for (const [name, info] of all) {
      if (interfaces.length && !interfaces.includes(name as string)) continue;
      const inet = info instanceof PyDict ? info.get('inet') : undefined;
      for (const one of Array.isArray(inet) ? inet : [])
        if (one instanceof PyDict) out.add(str(one.get('address') ?? ''));
    }
  const found = [...out];
  if (!cidrs.length) return found;
  return found.filter((ip) => cidrs.some((c) => truth(ctx.salt.call('network.ip_in_subnet', [ip, c]))));
}

const listOf = (v: Py): Py[] => (truth(v) ? (Array.isArray(v) ? (v as Py[]) : [v]) : []);

function getDocker({ interfaces, cidrs, with_container_id }: Args, ctx: ModuleCtx): Py {
  const withId = truth(with_container_id as Py);
  const hosts = get({ tgt: '*', fun: 'docker.ps', tgt_type: 'glob', exclude_minion: false }, ctx);
  const out = new PyDict();
  for (const containers of hosts instanceof PyDict ? hosts.values() : []) {
    if (!(containers instanceof PyDict)) continue;
    const host = containers.get('host');
    const ips = host instanceof PyDict ? hostAddresses(host, listOf(interfaces as Py), listOf(cidrs as Py), ctx) : [];
    for (const [key, container] of containers) {
      if (key === 'host' || !(container instanceof PyDict)) continue;
      const info = container.get('Info');
      const id = info instanceof PyDict ? (info.get('Id') ?? null) : null;
      const image = container.get('Image') ?? null;
      if (!out.has(image)) out.set(image, new PyDict());
      const ports = container.get('Ports');
      for (const port of Array.isArray(ports) ? ports : []) {
        if (!(port instanceof PyDict) || !truth(port.get('IP') ?? null)) continue;
        const ip = str(port.get('IP') ?? '');
        const byImage = out.get(image) as PyDict;
        if (!byImage.has('ipv4')) byImage.set('ipv4', new PyDict());
        const v4 = byImage.get('ipv4') as unknown as Ports;
        const listed = v4.get(port.get('PrivatePort') ?? null) ?? [];
        for (const address of ip === '0.0.0.0' ? ips : [ip]) {
          const place = `${address}:${str(port.get('PublicPort') ?? null)}`;
          const seen = listed.some((x) => (Array.isArray(x) ? x[0] === place : x === place));
          if (!seen) listed.push(withId ? PyTuple.from_<Py>([place, id]) : place);
        }
        if (listed.length) v4.set(port.get('PrivatePort') ?? null, listed);
      }
    }
  }
  return out;
}

/** `mine`: data that this minion publishes for others at the master, and theirs. */
export default {
  doc: "Functions of the mine: what minions publish at the master for each other's use.",
  functions: {
    delete: fn(
      'delete(fun)',
      "Removes a function's data of this minion from the mine.\n\nCLI Example:\n\n    salt '*' mine.delete network.interfaces",
      remove,
    ),
    flush: fn(
      'flush()',
      "Removes all data of this minion from the mine.\n\nCLI Example:\n\n    salt '*' mine.flush",
      (_, ctx) =>
        local(ctx) ? ctx.salt.call('data.update', ['mine_cache', new PyDict()]) : toMaster('_mine_flush', {}, ctx),
    ),
    get: fn(
      "get(tgt, fun, tgt_type='glob', exclude_minion=False)",
      "Returns what the minions of a target published for a function, by minion id; for several functions (a list, or names with commas) by function first.\n\nCLI Example:\n\n    salt '*' mine.get 'web*' network.ip_addrs",
      get,
    ),
    get_docker: fn(
      'get_docker(interfaces=None, cidrs=None, with_container_id=False)',
      "Returns the addresses of all containers in the mine, by image and private port.\n\nCLI Example:\n\n    salt '*' mine.get_docker",
      getDocker,
    ),
    send: fn(
      'send(name, *args, **kwargs)',
      "Runs a function and publishes its value in the mine; mine_function names the function where name is an alias, allow_tgt and allow_tgt_type say who may read it, max_age for how many seconds it is shown.\n\nCLI Example:\n\n    salt '*' mine.send network.ip_addrs eth0",
      send,
    ),
    update: fn(
      'update(clear=False, mine_functions=None)',
      "Runs the configured mine functions and publishes their values.\n\nCLI Example:\n\n    salt '*' mine.update",
      update,
    ),
    valid: fn(
      'valid()',
      "Lists the configured mine functions that can run here.\n\nCLI Example:\n\n    salt '*' mine.valid",
      (_, ctx) => valid(ctx),
    ),
  },
} satisfies ExecutionModule;
