/** Wakes sleeping machines. */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { fn } from '../../sls/signature.ts';
import { numberOf, str } from '../../sls/values.ts';
import { targeted } from '../known-minions.ts';
import type { RunnerModule } from './contract.ts';

/** The bytes of a hardware address, with or without separators. */
function macBytes(mac: string): Buffer {
  const hex = /^[0-9a-f]{12}$/i.test(mac) ? mac : (mac.match(/^([0-9a-f]{2})([:.-][0-9a-f]{2}){5}$/i)?.[0] ?? '');
  if (!hex) throw new SaltError('ValueError', 'Invalid MAC address');
  return Buffer.from(hex.replace(/[:.-]/g, ''), 'hex');
}

async function wake(mac: string, address: Py, port: Py): Promise<true> {
  const bytes = macBytes(mac.trim());
  const packet = Buffer.concat([Buffer.alloc(6, 0xff), ...Array.from({ length: 16 }, () => bytes)]);
  const to = numberOf(port);
  if (to === undefined || to < 1 || to > 65535) throw new SaltError('ValueError', `${str(port)} is no port`);
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((done, failed) => {
      socket.once('error', failed);
      socket.bind(0, () => {
        socket.setBroadcast(true);
        socket.send(packet, to, str(address), (e) => (e ? failed(e) : done()));
      });
    });
  } catch (e) {
    throw new SaltError('CommandExecutionError', messageOf(e));
  } finally {
    socket.close();
  }
  return true;
}

export default {
  doc: 'Wakes machines over the network.',
  functions: {
    wol: fn(
      "wol(mac, bcast='255.255.255.255', destport=9)",
      'Sends the magic packet that wakes the machine of a hardware address.\n\nCLI Example:\n\n    salt-run network.wol 08:00:27:13:69:77',
      (a) => wake(str(a['mac']!), a['bcast']!, a['destport']!),
    ),
    wollist: fn(
      "wollist(maclist, bcast='255.255.255.255', destport=9)",
      'Wakes the machines whose hardware addresses a file lists, one a line.\n\nCLI Example:\n\n    salt-run network.wollist /srv/macs.txt',
      async (a, ctx) => {
        let lines: string[];
        try {
          lines = readFileSync(str(a['maclist']!), 'utf8').split('\n');
        } catch {
          ctx.log.error(`Failed to open the file ${str(a['maclist']!)}`);
          return [];
        }
        const woken: Py[] = [];
        for (const mac of lines.map((l) => l.trim()).filter((l) => l)) {
          await wake(mac, a['bcast']!, a['destport']!);
          ctx.print(`Waking up ${mac}`);
          woken.push(mac);
        }
        return woken;
      },
    ),
    wolmatch: fn(
      "wolmatch(tgt, tgt_type='glob', bcast='255.255.255.255', destport=9)",
      "Wakes the targeted minions by the hardware addresses in their cached grains.\n\nCLI Example:\n\n    salt-run network.wolmatch 'web*'",
      async (a, ctx) => {
        const woken: Py[] = [];
        for (const id of targeted(ctx, a['tgt']!, a['tgt_type']!)) {
          const macs = ctx.minions.grains(id)?.get('hwaddr_interfaces');
          if (!(macs instanceof PyDict)) continue;
          for (const [name, mac] of macs) {
            if (name === 'lo' || typeof mac !== 'string') continue;
            await wake(mac, a['bcast']!, a['destport']!);
            ctx.print(`Waking up ${mac}`);
            woken.push(mac);
          }
        }
        return woken;
      },
    ),
  },
} satisfies RunnerModule;
