/** The marks that recorded answers carry in the place of what differs from run to run. */
import { hostname } from 'node:os';
import { isWireMap, PyDict, PyFloat, type Wire } from '../../bus/values.ts';
import { machineName } from '../../sls/minion-id.ts';

/** Plain JSON data, as recorded files hold it. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Job ids of this century's later part: the recordings' own made-up ids of 2001 stay as they are. */
const JID = /(?<!\d)20[2-9]\d{17}(?!\d)/g;
const TIME = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d:\d\d|Z)?/g;
const STARTED = /(started at )[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [\d:]{8} \d{4}/g;
const JIDTIME = /20[2-9]\d, [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{6}/g;
const CLOCK = /\b\d\d:\d\d:\d\d\.\d{6}\b/g;
const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;
const FINGERPRINT = /\b(?:[0-9a-f]{2}:){15,}[0-9a-f]{2}\b/g;
const PEM = /-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----\n?/g;
const PRIVATE_PEM = /-----BEGIN (?:RSA )?PRIVATE KEY-----[\s\S]*?-----END (?:RSA )?PRIVATE KEY-----\n?/g;

/** Numbers that are times: seconds since 1970, of this time. */
const EPOCHS = [1.6e9, 2.6e9] as const;

/** Marks by the key under which a value stands. */
const BY_KEY: Readonly<Record<string, string>> = {
  _stamp: '<TIME>',
  ts: '<EPOCH>',
  pub: '<KEY>',
  pid: '<PID>',
  token: '<TOKEN>',
  sig: '<SIG>',
  nonce: '<NONCE>',
  start_time: '<CLOCK>',
  duration: '<DURATION>',
};

/** What a case's surroundings are called. */
export interface Surroundings {
  /** The scratch folder. */
  readonly lab: string;
  /** Keys and fingerprints are fixed, and stay. */
  readonly keepKeys?: boolean;
  /** Folder of the reaction files. */
  readonly reactor?: string;
}

/** Puts marks into the answers of one case. Job ids are numbered by time over everything that {@link learn} was shown. */
export class Marks {
  private jids: string[] = [];
  private readonly names: string[];

  constructor(private readonly at: Surroundings) {
    this.names = [...new Set([machineName(), hostname()])];
  }

  /** Takes note of the job ids in some answers. */
  learn(...answers: Json[]): void {
    const seen = new Set(this.jids);
    for (const a of answers) for (const jid of JSON.stringify(a).match(JID) ?? []) seen.add(jid);
    this.jids = [...seen].sort();
  }

  /** A text with its marks. */
  text(text: string): string {
    let out = text.replace(JID, (jid) => {
      const n = this.jids.indexOf(jid);
      return n < 0 ? jid : `<JID${n + 1}>`;
    });
    if (this.at.reactor !== undefined) out = out.replaceAll(this.at.reactor, '<REACTOR>');
    out = out.replaceAll(this.at.lab, '<LAB>');
    if (!this.at.keepKeys)
      out = out.replace(PEM, '<KEY>').replace(PRIVATE_PEM, '<PRIVKEY>').replace(FINGERPRINT, '<FINGERPRINT>');
    return (
      out
        .replace(JIDTIME, '<JIDTIME>')
        .replace(TIME, '<TIME>')
        .replace(STARTED, '$1<TIME>')
        .replace(CLOCK, '<CLOCK>')
        .replace(UUID, '<UUID>')
        .replace(/\bat pid \d+/g, 'at pid <PID>')
        .replace(/(__pub_pid:\n\s+|\bpid:\n\s+|"(?:__pub_)?pid": |'(?:__pub_)?pid': )\d+/g, '$1<PID>')
        .replace(/(Duration: +)[\d.]+( ms)/g, '$1<DURATION>$2')
        // Right-aligned: the blanks before it are as many as its digits leave.
        .replace(/(Total run time:) +(?:[\d.]+|<DURATION>)( m?s)/g, '$1   <DURATION>$2')
    );
  }

  /** Printed text: also the machine's name, and the frames of tracebacks. */
  printed(text: string): string {
    let out = this.text(text);
    for (const name of this.names)
      out = out.replace(new RegExp(`(?<![\\w.-])${escaped(name)}(?=\\.p[ue][bm]\\b)`, 'g'), '<HOST>');
    return out;
  }

  /** Data with its marks. The name of the master, which holds the machine's, gets one too. */
  data(v: Json, key?: string): Json {
    const mark = key === undefined ? undefined : (BY_KEY[key] ?? (/_pid$/.test(key) ? '<PID>' : undefined));
    if (mark !== undefined && v !== null && typeof v !== 'object') return mark;
    if (typeof v === 'string') return this.text(v);
    if (typeof v === 'number' && v > EPOCHS[0] && v < EPOCHS[1]) return '<EPOCH>';
    if (Array.isArray(v)) return v.map((x) => this.data(x));
    if (typeof v === 'object' && v !== null)
      return Object.fromEntries(
        Object.keys(v)
          .sort()
          .map((k) => [this.name(k), this.data(v[k] as Json, k)] as const),
      );
    return v;
  }

  private name(key: string): string {
    for (const n of this.names) if (key === `${n}_master`) return '<MASTER>';
    return this.text(key);
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Wire form as plain JSON: byte strings as text, whole floats as numbers. */
export function plainJson(v: Wire): Json {
  if (v instanceof PyFloat) return v.v;
  if (v instanceof PyDict) return Object.fromEntries([...v].map(([k, x]) => [String(k), plainJson(x as Wire)]));
  if (v instanceof Uint8Array) return Buffer.from(v).toString('utf8');
  if (Array.isArray(v)) return v.map(plainJson);
  if (isWireMap(v)) return Object.fromEntries(Object.keys(v).map((k) => [k, plainJson(v[k] ?? null)]));
  return typeof v === 'bigint' ? Number(v) : (v as Json);
}

/**
 * Whether an answer is what was recorded. In recorded text `<DOC>`, `<HELP>` and `<FRAMES>` stand for any text; everything else has
 * to be equal.
 */
export function matches(recorded: Json, came: Json): boolean {
  if (typeof recorded === 'string' && typeof came === 'string') return textMatches(recorded, came);
  if (Array.isArray(recorded))
    return Array.isArray(came) && came.length === recorded.length && recorded.every((r, i) => matches(r, came[i]!));
  if (typeof recorded === 'object' && recorded !== null) {
    if (typeof came !== 'object' || came === null || Array.isArray(came)) return false;
    const keys = Object.keys(recorded);
    return keys.length === Object.keys(came).length && keys.every((k) => k in came && matches(recorded[k]!, came[k]!));
  }
  return recorded === came;
}

/** {@link matches} for text. */
export function textMatches(recorded: string, came: string): boolean {
  if (recorded === came) return true;
  if (!/<(DOC|HELP|FRAMES)>/.test(recorded)) return false;
  const parts = recorded.split(/\n?(?:[ \t]*)<(?:DOC|HELP|FRAMES)>/).map(escaped);
  return new RegExp(`^${parts.join('[\\s\\S]*?')}$`).test(came);
}
