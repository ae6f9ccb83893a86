import { readFileSync } from 'node:fs';

/** Offset from UTC and abbreviation in force at a moment. */
export interface ZoneAt {
  /** Seconds east of UTC. */
  readonly offset: number;
  readonly name: string;
}

function zoneFile(): Buffer | undefined {
  const tz = process.env['TZ'];
  if (tz === '') return undefined;
  const name = tz?.replace(/^:/, '');
  if (name && !/^[\w+\-/]+$/.test(name)) return undefined;
  try {
    return readFileSync(name ? (name.startsWith('/') ? name : `/usr/share/zoneinfo/${name}`) : '/etc/localtime');
  } catch {
    return undefined; // no zone data: UTC, as the C library takes it
  }
}

/** Reads the 64-bit part of a zone file: the last change before the moment counts, or the rule at its end after the last change. */
export function parseZone(data: Buffer, seconds: number): ZoneAt {
  if (data.length < 44 || data.toString('latin1', 0, 4) !== 'TZif') return { offset: 0, name: 'UTC' };
  const counts = (at: number): number[] => [20, 24, 28, 32, 36, 40].map((o) => data.readUInt32BE(at + o));
  let head = 0;
  let wide = 4;
  let [utc = 0, std = 0, leap = 0, times = 0, types = 0, chars = 0] = counts(0);
  if ((data[4] ?? 0) >= 0x32) {
    head = 44 + times * 5 + types * 6 + chars + leap * 8 + std + utc;
    [utc = 0, std = 0, leap = 0, times = 0, types = 0, chars = 0] = counts(head);
    wide = 8;
  }
  const at = head + 44;
  const typesAt = at + times * (wide + 1);
  const textAt = typesAt + types * 6;
  const zone = (type: number): ZoneAt => {
    const p = typesAt + type * 6;
    const from = textAt + (data[p + 5] ?? 0);
    return { offset: data.readInt32BE(p), name: data.toString('latin1', from, data.indexOf(0, from)) };
  };
  const change = (i: number): number =>
    wide === 8 ? Number(data.readBigInt64BE(at + i * 8)) : data.readInt32BE(at + i * 4);
  let last = -1;
  for (let i = 0; i < times && change(i) <= seconds; i++) last = i;
  const footer = wide === 8 ? data.toString('latin1', textAt + chars + leap * 12 + std + utc).trim() : '';
  if (last === times - 1 && footer)
    return byRule(footer, seconds) ?? zone(last < 0 ? 0 : (data[at + times * wide + last] as number));
  return zone(last < 0 ? 0 : (data[at + times * wide + last] as number));
}

function hours(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1;
  const [h = 0, m = 0, s = 0] = text.replace(/^[+-]/, '').split(':').map(Number);
  return sign * (h * 3600 + m * 60 + s);
}

/** The moment a rule such as `M3.5.0/2` names in a year, in seconds of that year's local standard clock. */
function moment(rule: string, year: number): number {
  const [day = '', time = '2'] = rule.split('/');
  const m = /^M(\d+)\.(\d)\.(\d)$/.exec(day);
  if (m) {
    const [month, week, weekday] = m.slice(1).map(Number) as [number, number, number];
    const first = new Date(Date.UTC(year, month - 1, 1)).getUTCDay();
    let date = 1 + ((weekday - first + 7) % 7) + (week - 1) * 7;
    if (date > new Date(Date.UTC(year, month, 0)).getUTCDate()) date -= 7;
    return Date.UTC(year, month - 1, date) / 1000 + hours(time);
  }
  const julian = day.startsWith('J');
  let n = Number(day.replace('J', ''));
  if (julian && n >= 60 && new Date(Date.UTC(year, 2, 0)).getUTCDate() === 29) n++;
  return Date.UTC(year, 0, 1 + n - (julian ? 1 : 0)) / 1000 + hours(time);
}

/** Applies a POSIX zone rule: `CET-1CEST,M3.5.0,M10.5.0/3`. */
function byRule(rule: string, seconds: number): ZoneAt | undefined {
  const m = /^(<[^>]+>|[A-Za-z]+)([-+]?[\d:]+)(?:(<[^>]+>|[A-Za-z]+)([-+]?[\d:]+)?(?:,([^,]+),([^,]+))?)?$/.exec(rule);
  if (!m) return undefined;
  const bare = (t: string): string => t.replace(/[<>]/g, '');
  const std: ZoneAt = { offset: -hours(m[2] as string), name: bare(m[1] as string) };
  if (!m[3] || !m[5] || !m[6]) return std;
  const dst: ZoneAt = { offset: m[4] ? -hours(m[4]) : std.offset + 3600, name: bare(m[3]) };
  const year = new Date((seconds + std.offset) * 1000).getUTCFullYear();
  const begin = moment(m[5], year) - std.offset;
  const end = moment(m[6], year) - dst.offset;
  const summer = begin < end ? seconds >= begin && seconds < end : seconds >= begin || seconds < end;
  return summer ? dst : std;
}

/** The zone in force on this machine at a moment (milliseconds since the epoch). */
export function localZone(ms: number): ZoneAt {
  const data = zoneFile();
  return data ? parseZone(data, Math.floor(ms / 1000)) : { offset: 0, name: 'UTC' };
}
