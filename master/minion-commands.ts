import type { EventBus } from '../bus/event.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import { toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { asMap, MINION_COMMAND } from '../bus/wire/loads.ts';
import type { FileServer } from './file-server.ts';
import type { Mine } from './mine.ts';
import type { MinionCache } from './minion-cache.ts';
import type { MinionEvents } from './minion-events.ts';
import type { Peer } from './peer.ts';
import type { MinionHandler } from './requests.ts';
import type { Returns } from './returns.ts';

/** Parts of the master that minions reach by commands. */
export interface MinionCommandParts {
  opts: Opts;
  bus: EventBus;
  cache: MinionCache;
  files: FileServer;
  mine: Mine;
  events: MinionEvents;
  returns: Returns;
  peer: Peer;
  /** Whether an id has an accepted key here. */
  ownsKey: (id: string) => boolean;
  /** Deletes a minion's key with all that goes with it. */
  revoke: (id: string, keepData: boolean) => void;
  /** Checks the minion's own signature over a return; false refuses it. */
  signatureHolds: (load: WireMap) => boolean;
}

/** Options that a minion's state runs take over from the master. */
const STATE_OPTIONS = [
  'renderer',
  'failhard',
  'state_top',
  'state_top_saltenv',
  'nodegroups',
  'state_auto_order',
  'state_events',
  'state_aggregate',
  'jinja_env',
  'jinja_sls_env',
  'jinja_lstrip_blocks',
  'jinja_trim_blocks',
] as const;

/** Handlers of all encrypted commands by wire name; `_pillar` is answered by the router itself, in its own envelope. */
export function minionCommands(p: MinionCommandParts): ReadonlyMap<string, MinionHandler> {
  const c = MINION_COMMAND;
  return new Map<string, MinionHandler>([
    [c.return, (load) => (p.signatureHolds(load) ? p.returns.take(load) : false)],
    [c.syndicReturn, (load) => p.returns.takeSyndic(load, p.ownsKey)],
    [c.event, (load) => p.events.take(load)],
    [c.registerResources, (load) => registerResources(p, load)],
    [c.mine, (load) => p.mine.update(load)],
    [c.mineGet, (load) => p.mine.get(load)],
    [c.mineDelete, (load) => p.mine.remove(load)],
    [c.mineFlush, (load) => p.mine.flush(load)],
    [c.fileEnvs, () => p.files.envs()],
    [c.fileList, (load) => p.files.list(load, 'files')],
    [c.fileListEmptydirs, (load) => p.files.list(load, 'emptyDirs')],
    [c.dirList, (load) => p.files.list(load, 'dirs')],
    [c.symlinkList, (load) => p.files.links(load)],
    [c.fileFind, (load) => p.files.where(load)],
    [c.fileHash, (load) => p.files.hash(load)],
    [c.fileHashAndStat, (load) => p.files.hashAndStat(load)],
    [c.serveFile, (load) => p.files.serve(load)],
    [c.fileRecv, (load) => p.files.receive(load)],
    [c.masterOpts, (load) => masterOpts(p, load)],
    [c.masterTops, () => ({})],
    [c.publish, (load) => p.peer.publish(load)],
    [c.publishAndWait, (load) => p.peer.publishAndWait(load)],
    [c.publishReturns, (load) => p.peer.returns(load)],
    [c.runner, (load) => p.peer.runner(load)],
    [c.revokeAuth, (load) => revokeAuth(p, load)],
    [c.verifyMinion, () => ''],
  ]);
}

async function registerResources(p: MinionCommandParts, load: WireMap): Promise<Wire> {
  const id = String(load['id']);
  const resources = asMap(load['resources']) ?? {};
  const grains = asMap(load['resource_grains']) ?? {};
  if (Object.keys(resources).length || Object.keys(grains).length)
    await p.cache.store('resources', id, toPy({ resources, resource_grains: grains }));
  else if (p.cache.updated('resources', id) !== undefined) await p.cache.flush('resources', id);
  if (p.opts.flag('minion_data_cache_events', true))
    p.bus.fire(tags.resourceRefresh(id), { 'Resource cache refresh': id }, { origin: 'master' });
  return true;
}

function masterOpts(p: MinionCommandParts, load: WireMap): Wire {
  const answer: WireMap = {
    file_roots: Object.fromEntries(p.files.envs().map((env) => [env, []])),
    top_file_merging_strategy: p.opts.str('top_file_merging_strategy', 'merge'),
    env_order: toWire(p.opts.list('env_order')),
    default_top: p.opts.str('default_top', 'base'),
  };
  if (load['env_only']) return answer;
  for (const key of STATE_OPTIONS) answer[key] = toWire(p.opts.get(key) ?? null);
  return answer;
}

function revokeAuth(p: MinionCommandParts, load: WireMap): Wire {
  if (!p.opts.flag('allow_minion_key_revoke', true)) return load as Wire;
  p.revoke(String(load['id']), load['preserve_minion_cache'] === true);
  return true;
}
