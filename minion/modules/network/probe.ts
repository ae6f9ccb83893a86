/** Reaching other machines: connect, wake, trace. */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP, connect as tcpConnect } from 'node:net';
import { SaltError } from '../../../bus/errors.ts';
import { mkFloat, type Py, PyDict } from '../../../bus/values.ts';
import { capture, needs } from '../../process/capture.ts';

/** A host name or address, without anything a name can't hold. */
export function cleanHost(host: string): string {
  return isIP(host) ? host : host.slice(0, 255).replace(/[^A-Za-z0-9._-]/g, '');
}

const verdict = (result: boolean, comment: string): PyDict =>
  new PyDict<Py>([
    ['result', result],
    ['comment', comment],
  ]);

function tcp(address: string, port: number, ms: number): Promise<boolean> {
  return new Promise((done) => {
    const s = tcpConnect({ host: address, port });
    const end = (ok: boolean) => (): void => {
      s.destroy();
      done(ok);
    };
    s.setTimeout(ms, end(false)).once('connect', end(true)).once('error', end(false));
  });
}

function udp(address: string, port: number, ms: number): Promise<boolean> {
  return new Promise((done) => {
    const s = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
    const end = (ok: boolean): void => {
      clearTimeout(timer);
      s.close();
      done(ok);
    };
    const timer = setTimeout(() => end(false), ms);
    s.once('message', () => end(true)).once('error', () => end(false));
    s.connect(port, address, () => s.send(`${Date.now()}`));
  });
}

/** Tries to connect to a port, within `timeout` seconds. */
export async function connect(
  host: string,
  port: string,
  proto: string,
  timeout: number,
  family: string,
): Promise<PyDict> {
  if (!host) return verdict(false, 'Required argument, host, is missing.');
  if (!port) return verdict(false, 'Required argument, port, is missing.');
  const kind = proto === 'udp' ? 'udp' : 'tcp';
  let address: string;
  try {
    const wanted = family === 'ipv4' ? 4 : family === 'ipv6' ? 6 : 0;
    address = (await lookup(cleanHost(host), { family: wanted })).address;
  } catch {
    return verdict(false, `Unable to resolve host ${host} on ${kind} port ${port}`);
  }
  const ok = await (kind === 'udp' ? udp : tcp)(address, Number(port), timeout * 1000);
  return verdict(
    ok,
    `${ok ? 'Successfully connected' : 'Unable to connect'} to ${host} (${address}) on ${kind} port ${port}`,
  );
}

/** Sends the packet that wakes a machine by its hardware address. */
export async function wake(mac: string, broadcastTo: string, port: number): Promise<boolean> {
  const digits = mac.length === 17 ? mac.replaceAll(mac[2] as string, '') : mac;
  if (!/^[0-9a-fA-F]{12}$/.test(digits)) throw new SaltError('ValueError', 'Invalid MAC address');
  const own = Buffer.from(digits, 'hex');
  const packet = Buffer.concat([Buffer.alloc(6, 0xff), ...Array<Buffer>(16).fill(own)]);
  const s = createSocket('udp4');
  try {
    await new Promise<void>((ready, failed) => {
      s.once('error', failed).bind(0, () => {
        s.setBroadcast(true);
        s.send(packet, port, broadcastTo, (e) => (e ? failed(e) : ready()));
      });
    });
  } finally {
    s.close();
  }
  return true;
}

/** One line of `traceroute`'s answer. */
export function parseHop(line: string): PyDict | undefined {
  const parts = line.split('  ').filter((p) => p.trim() !== '');
  if (parts.length === 1 || parts[1]?.trim() === '* * *') {
    const m = /^\s*(\d+)\s+\* \* \*/.exec(line);
    return m
      ? new PyDict<Py>([
          ['count', Number(m[1])],
          ['hostname', '*'],
        ])
      : undefined;
  }
  const [count = '', who = '', ...times] = parts;
  const [hostname = '', ip = ''] = who.trim().split(/\s+/);
  if (times.length < 3) return undefined;
  return new PyDict<Py>([
    ['count', Number(count)],
    ['hostname', hostname],
    ['ip', ip.replace(/[()]/g, '')],
    ...times.slice(0, 3).map((t, i): [Py, Py] => [`ms${i + 1}`, mkFloat(Number(t.trim().split(/\s+/)[0]))]),
  ]);
}

/** The hops to a host. Hops that can't be read are empty. */
export function traceroute(host: string): PyDict[] {
  needs('traceroute');
  const out = capture('traceroute', [cleanHost(host)]);
  return out.stdout
    .split('\n')
    .filter((l) => l.includes(' ') && !l.startsWith('traceroute'))
    .map((l) => parseHop(l) ?? new PyDict());
}
