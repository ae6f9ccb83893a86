/**
 * The local syslog, one line of JSON a return. Options `syslog.level` (LOG_INFO), `syslog.facility` (LOG_USER), `syslog.tag` (salt-minion),
 * `syslog.options` (LOG_PID adds the process id), and ours: `syslog.address`, the socket (/dev/log) or `host:port` of a server (UDP).
 */
import { createSocket } from 'node:dgram';
import { SaltError } from '../bus/errors.ts';
import type { Returner, ReturnerCtx } from './contract.ts';
import { keptReturn } from './shape/job.ts';
import { asciiJson, toJson } from './shape/json.ts';
import { type ReturnerOptions, returnerOptions, textOption } from './shape/options.ts';

const LEVELS = 'EMERG ALERT CRIT ERR WARNING NOTICE INFO DEBUG'.split(' ');
const FACILITIES: Readonly<Record<string, number>> = Object.fromEntries(
  'KERN USER MAIL DAEMON AUTH SYSLOG LPR NEWS UUCP CRON AUTHPRIV FTP'
    .split(' ')
    .map((f, i) => [f, i])
    .concat(Array.from({ length: 8 }, (_, i) => [`LOCAL${i}`, 16 + i])),
);
const KEYS = { level: 'level', facility: 'facility', tag: 'tag', options: 'options', address: 'address' };
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
/** A datagram that every server takes whole. */
const LONGEST = 60_000;

/** The number before a line: facility times eight plus level. Throws SaltError that names the option. */
function priority(options: ReturnerOptions): number {
  const level = textOption(options, 'level') ?? 'LOG_INFO';
  const facility = textOption(options, 'facility') ?? 'LOG_USER';
  const l = LEVELS.indexOf(level.replace(/^LOG_/, ''));
  const f = FACILITIES[facility.replace(/^LOG_/, '')];
  if (l < 0) throw new SaltError('SaltConfigurationError', `syslog has no attribute ${level} (syslog.level)`);
  if (f === undefined)
    throw new SaltError('SaltConfigurationError', `syslog has no attribute ${facility} (syslog.facility)`);
  return f * 8 + l;
}

function line(text: string, options: ReturnerOptions): Buffer {
  const tag = textOption(options, 'tag') ?? 'salt-minion';
  if (tag.length > 32)
    throw new SaltError('SaltConfigurationError', 'tag size is limited to 32 characters (syslog.tag)');
  const given = options['options'];
  const pid = Array.isArray(given) && given.includes('LOG_PID') ? `[${process.pid}]` : '';
  const now = new Date();
  const two = (n: number): string => String(n).padStart(2, '0');
  const time = `${MONTHS[now.getMonth()]} ${String(now.getDate()).padStart(2)} ${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  return Buffer.from(`<${priority(options)}>${time} ${tag}${pid}: ${asciiJson(text)}`).subarray(0, LONGEST);
}

function overNetwork(payload: Buffer, host: string, port: number): Promise<void> {
  return new Promise((ok, fail) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.send(payload, port, host, (e) => {
      socket.close();
      if (e) fail(e);
      else ok();
    });
  });
}

/** Node has no datagram sockets of the file system: the system's own logger program speaks to them. */
async function toSocket(payload: Buffer, path: string): Promise<void> {
  const { execFile } = await import('node:child_process');
  const text = payload.toString();
  const end = text.indexOf('>');
  const [, tag = '', message = ''] = /^.{15} ([^:]*): (.*)$/s.exec(text.slice(end + 1)) ?? [];
  const p = Number(text.slice(1, end));
  const facility = Object.keys(FACILITIES).find((f) => FACILITIES[f] === p >> 3) ?? 'USER';
  const words = [
    '-u',
    path,
    '-p',
    `${facility.toLowerCase()}.${(LEVELS[p & 7] as string).toLowerCase()}`,
    '-t',
    tag,
    '--',
    message,
  ];
  await new Promise<void>((ok, fail) => {
    const child = execFile('logger', words, { timeout: 10_000 }, (e) =>
      e ? fail(new SaltError('SaltClientError', `syslog: ${e.message.slice(0, 200)}`)) : ok(),
    );
    child.stdin?.end();
  });
}

async function send(text: string, ctx: ReturnerCtx): Promise<void> {
  const defaults = { level: 'LOG_INFO', facility: 'LOG_USER', options: [], address: '/dev/log' };
  const options = returnerOptions('syslog', KEYS, defaults, ctx);
  const address = textOption(options, 'address') ?? '/dev/log';
  const payload = line(text, options);
  const network = /^\[?([^/\]]+)\]?:(\d+)$/.exec(address);
  if (network) await overNetwork(payload, network[1] as string, Number(network[2]));
  else await toSocket(payload, address);
}

export default {
  returner: (ret, ctx) => send(toJson(keptReturn(ret)), ctx),
  async eventReturn(events, ctx) {
    for (const { tag, data } of events) await send(toJson({ tag, data }), ctx);
  },
} satisfies Returner;
