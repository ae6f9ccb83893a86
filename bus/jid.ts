/** Makes job ids: 20 digits `YYYYMMDDhhmmssµµµµµµ` in UTC, strictly rising within the process even when the clock stands still or steps back. */
export class JidSource {
  private last = 0n;
  /** @param clock milliseconds since the epoch, fractions allowed; the wall clock by default. */
  constructor(private readonly clock: () => number = () => performance.timeOrigin + performance.now()) {}
  next(): string {
    let micros = BigInt(Math.floor(this.clock() * 1000));
    if (micros <= this.last) micros = this.last + 1n;
    this.last = micros;
    return formatJid(micros);
  }
}

/** The jid of a moment given in microseconds since the epoch. */
export function formatJid(micros: bigint): string {
  const t = new Date(Number(micros / 1000n)).toISOString();
  return `${t.slice(0, 4)}${t.slice(5, 7)}${t.slice(8, 10)}${t.slice(11, 13)}${t.slice(14, 16)}${t.slice(17, 19)}${String(micros % 1_000_000n).padStart(6, '0')}`;
}

/** Whether a text is a job id: 20 digits, with `_<pid>` under `unique_jid`. Anything else never reaches a path or a key. */
export function isJid(text: unknown): text is string {
  return typeof text === 'string' && /^\d{20}(_\d{1,10})?$/.test(text);
}

/** The moment of a jid in milliseconds since the epoch, or undefined for a text that is none. */
export function jidTime(jid: string): number | undefined {
  if (!isJid(jid)) return undefined;
  const p = (a: number, b: number): number => Number(jid.slice(a, b));
  return Date.UTC(p(0, 4), p(4, 6) - 1, p(6, 8), p(8, 10), p(10, 12), p(12, 14)) + p(14, 20) / 1000;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** A jid as people read it: `2030, Jan 01 10:00:00.000000`; empty for a text that is no jid. */
export function jidToTime(jid: string): string {
  if (!isJid(jid)) return '';
  return `${jid.slice(0, 4)}, ${MONTHS[Number(jid.slice(4, 6)) - 1]} ${jid.slice(6, 8)} ${jid.slice(8, 10)}:${jid.slice(10, 12)}:${jid.slice(12, 14)}.${jid.slice(14, 20)}`;
}

/** A stamp as events and returns carry it: ISO-8601, UTC, microseconds, `+00:00`. */
export function stamp(ms: number = performance.timeOrigin + performance.now()): string {
  const micros = Math.floor((ms % 1000) * 1000);
  return `${new Date(Math.floor(ms)).toISOString().slice(0, 19)}.${String(micros).padStart(6, '0')}+00:00`;
}
