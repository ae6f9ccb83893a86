import { join } from 'node:path';
import { isWireMap, type Wire, type WireMap } from '../bus/values.ts';
import type { MinionReturn, Publication } from './client.ts';

/** The master's control sockets in `sock_dir`: the first is for its own user alone and trusted, the second checks credentials and rules. */
export function masterControlSockets(sockDir: string): { control: string; publish: string } {
  return { control: join(sockDir, 'master_control.ipc'), publish: join(sockDir, 'master_publish.ipc') };
}

/** A publication as it travels over a control socket. */
export function wireOf(p: Publication): WireMap {
  const out: WireMap = { jid: p.jid, minions: p.minions, missing: p.missing };
  if (p.error !== undefined) out['error'] = p.error;
  return out;
}

/** A return as it travels over a control socket. */
export function wireOfReturn(r: MinionReturn): WireMap {
  const out: WireMap = { id: r.id, ret: r.ret, retcode: r.retcode, success: r.success, load: r.load };
  if (r.out !== undefined) out['out'] = r.out;
  if (r.lost !== undefined) out['lost'] = r.lost;
  return out;
}

/** Reads a publication that travelled over a control socket. */
export function readPublication(v: Wire | undefined): Publication {
  const m = isWireMap(v) ? v : {};
  const texts = (x: Wire | undefined): string[] => (Array.isArray(x) ? x.map(String) : []);
  const made: Publication = { jid: String(m['jid'] ?? ''), minions: texts(m['minions']), missing: texts(m['missing']) };
  if (typeof m['error'] === 'string') made.error = m['error'];
  return made;
}

/** Reads a return that travelled over a control socket. */
export function readReturnItem(v: Wire | undefined): MinionReturn {
  const m = isWireMap(v) ? v : {};
  const made: MinionReturn = {
    id: String(m['id'] ?? ''),
    ret: m['ret'] ?? null,
    retcode: Number(m['retcode'] ?? 0),
    success: m['success'] === true,
    load: isWireMap(m['load']) ? m['load'] : {},
  };
  if (typeof m['out'] === 'string') made.out = m['out'];
  if (m['lost'] === 'no response' || m['lost'] === 'not connected' || m['lost'] === 'no return') made.lost = m['lost'];
  return made;
}
