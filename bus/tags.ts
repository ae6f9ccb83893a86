/**
 * Every tag that the platform fires, and the rule for tags that a minion may not fire. A tag is never a permission: see
 * the origin of an event for who fired it.
 */
import { compileGlob } from './tag-match.ts';

/** Tags by what they tell. Functions take the parts that differ. */
export const tags = {
  auth: 'salt/auth',
  key: 'salt/key',
  /** Fired when the master's AES key is to be rotated. */
  keyRotation: 'key',
  /** The old spelling of a minion's start. */
  minionStartLegacy: 'minion_start',
  minionStart: (id: string): string => `salt/minion/${id}/start`,
  minionRefresh: (id: string): string => `minion/refresh/${id}`,
  resourceRefresh: (id: string): string => `resource/refresh/${id}`,
  jobNew: (jid: string): string => `salt/job/${jid}/new`,
  jobPublish: (jid: string): string => `salt/job/${jid}/publish`,
  jobReturn: (jid: string, id: string): string => `salt/job/${jid}/ret/${id}`,
  jobStart: (jid: string, id: string): string => `salt/job/${jid}/start/${id}`,
  jobProgress: (jid: string, id: string, run: number | string): string => `salt/job/${jid}/prog/${id}/${run}`,
  /** A chunk of a state run that asks for an event (`fire_event`) is done. */
  stateResult: (jid: string, id: string, what: string): string => `salt/state_result/${jid}/${id}/${what}`,
  jobSubError: (jid: string, id: string, fun: string): string => `salt/job/${jid}/sub/${id}/error/${fun}`,
  /** A refused publish; the reference leaves the job id out when there was none. */
  jobError: (jid: string): string => (jid ? `salt/job/${jid}/error` : 'salt/job/error'),
  runNew: (jid: string): string => `salt/run/${jid}/new`,
  runReturn: (jid: string): string => `salt/run/${jid}/ret`,
  runProgress: (jid: string): string => `salt/run/${jid}/progress`,
  wheelNew: (jid: string): string => `salt/wheel/${jid}/new`,
  wheelReturn: (jid: string): string => `salt/wheel/${jid}/ret`,
  batchNew: (jid: string): string => `salt/batch/${jid}/new`,
  batchProgress: (jid: string): string => `salt/batch/${jid}/progress`,
  batchComplete: (jid: string): string => `salt/batch/${jid}/complete`,
  batchHalted: (jid: string): string => `salt/batch/${jid}/halted`,
  presencePresent: 'salt/presence/present',
  presenceChange: 'salt/presence/change',
  beacon: (id: string, beacon: string, tail = ''): string => `salt/beacon/${id}/${beacon}/${tail}`,
  saltError: '_salt_error',
  stats: (worker: string): string => `salt/stats/${worker}`,
  syndic: (id: string, tag: string): string => `syndic/${id}/${tag}`,
  syndicStart: (id: string): string => `salt/syndic/${id}/start`,
  cloud: (name: string, what: string): string => `salt/cloud/${name}/${what}`,
  fileserverUpdate: (backend: string): string => `salt/fileserver/${backend}/update`,
  queueProcess: (queue: string): string => `salt/queue/${queue}/process`,
  /** On a minion's own bus: relay what is inside to the master. */
  fireMaster: 'fire_master',
  /** On a minion's own bus: a job's request on its way to the master, and the answer to it. */
  masterRequest: (id: string, master: string): string => `__master_req_channel_payload/${id}/${master}`,
  masterAnswer: (id: string): string => `__master_req_channel_return/${id}`,
  /** On a minion's own bus: what its parts ask of each other. */
  pillarRefresh: 'pillar_refresh',
  moduleRefresh: 'module_refresh',
  grainsRefresh: 'grains_refresh',
  matchersRefresh: 'matchers_refresh',
  beaconsRefresh: 'beacons_refresh',
  manageSchedule: 'manage_schedule',
  manageBeacons: 'manage_beacons',
  minionMine: '_minion_mine',
  masterDisconnected: (master: string): string => `__master_disconnected_${master}`,
  masterConnected: (master: string): string => `__master_connected_${master}`,
  scheduleReturn: '__schedule_return',
  /** Ours: a live reader was cut off because it read too slowly. */
  readerCut: 'salt/event/reader/cut',
  /** Ours: a job of the master's schedule is due, and why. */
  scheduleDue: (name: string): string => `salt/schedule/${name}/due`,
  /** Ours: something in the master's schedule makes no sense. */
  scheduleProblem: 'salt/schedule/problem',
  /** A queued reaction was given up; ours. */
  queueDead: 'salt/queue/dead',
  /** Ours: the job cache could not keep or answer something. */
  jobCacheFailed: 'salt/event/job_cache/failed',
  /** Ours: the store behind a returner of the master went away (`down`) or is back (`up`). */
  returnerState: (name: string, state: 'up' | 'down'): string => `salt/returner/${name}/${state}`,
  /** Ours: an event of a minion that was refused. */
  refused: (id: string): string => `salt/event/refused/${id}`,
  /** Ours: a minion spoke an old version of the protocol and was let in. */
  oldVersion: (id: string): string => `salt/event/old_version/${id}`,
} as const;

/** What the reference drops from the list form of minion events. */
const DROPPED_BY_SALT = [
  'salt/job/*/publish',
  'salt/job/*/new',
  'salt/job/*/return',
  'salt/key',
  'salt/cloud/*',
  'salt/run/*',
  'salt/cluster/*',
  'salt/wheel/*/new',
  'salt/wheel/*/return',
].map(compileGlob);

/** Tags that only the master or a syndic fires. */
const MASTER_ONLY = [
  'salt/auth',
  'salt/auth/*',
  'salt/key/*',
  'key',
  'salt/job/*/ret',
  'salt/job/*/ret/*',
  'salt/job/*/error',
  'salt/job/error',
  'salt/run',
  'salt/wheel/*',
  'salt/batch/*',
  'salt/presence/*',
  'salt/stats/*',
  'salt/fileserver/*',
  'salt/queue/*',
  'salt/schedule/*',
  'salt/event/*',
  'salt/syndic/*',
  'syndic/*',
  'salt/cluster',
].map(compileGlob);

/** Tags in which a minion is named: only that minion may fire them. The part in the place of the id must equal it. */
const NAMED: readonly RegExp[] = [
  /^salt\/minion\/([^/]*)(?:\/|$)/,
  /^salt\/beacon\/([^/]*)(?:\/|$)/,
  /^minion\/refresh\/(.*)$/s,
  /^resource\/refresh\/(.*)$/s,
  /^salt\/job\/[^/]*\/prog\/([^/]*)(?:\/|$)/,
  /^salt\/job\/[^/]*\/start\/([^/]*)(?:\/|$)/,
  /^salt\/job\/[^/]*\/sub\/([^/]*)(?:\/|$)/,
];

/** Whether the reference itself drops this tag from the `events` list of a minion. */
export function isDroppedBySalt(tag: string): boolean {
  return DROPPED_BY_SALT.some((m) => m(tag));
}

/**
 * Whether a minion must not fire a tag: those of the master, of syndics, and those that name another minion. To be asked of the
 * final tag (after `pretag` is applied), on every way in. `syndic` lets a syndic forward under its own `syndic/<id>/`.
 */
export function isReserved(tag: string, minionId: string, options: { syndic?: boolean } = {}): boolean {
  // Doubled slashes and a leading one are read as the plain tag by nobody, but globs with a star would match them.
  const plain = tag.replace(/\/{2,}/g, '/').replace(/^\//, '');
  if (options.syndic && (plain.startsWith(`syndic/${minionId}/`) || plain === `salt/syndic/${minionId}/start`))
    return false;
  if (isDroppedBySalt(plain) || MASTER_ONLY.some((m) => m(plain))) return true;
  for (const pattern of NAMED) {
    const named = pattern.exec(plain)?.[1];
    if (named !== undefined) return named !== minionId;
  }
  return false;
}
