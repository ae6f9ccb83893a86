import { type Py, PyDict } from './values.ts';

/**
 * A daemon's or command line's options: the merged configuration under Salt's key names, each value in Python form.
 * Built by sls/config.ts; every room reads it. Typed getters answer the fallback when the key is absent or None and convert the
 * usual near misses (a number written as text); they never throw.
 */
export class Opts {
  constructor(readonly data: PyDict = new PyDict()) {}
  get(key: string): Py | undefined {
    return this.data.get(key);
  }
  has(key: string): boolean {
    return this.data.has(key);
  }
  set(key: string, value: Py): void {
    this.data.set(key, value);
  }
  str(key: string, fallback = ''): string {
    const v = this.data.get(key);
    return v === undefined || v === null ? fallback : typeof v === 'string' ? v : String(v);
  }
  num(key: string, fallback = 0): number {
    const v = this.data.get(key);
    if (v === undefined || v === null || v === '') return fallback;
    const n = typeof v === 'object' ? Number(v.valueOf()) : Number(v);
    return Number.isNaN(n) ? fallback : n;
  }
  flag(key: string, fallback = false): boolean {
    const v = this.data.get(key);
    if (v === undefined || v === null) return fallback;
    if (Array.isArray(v)) return v.length > 0;
    if (v instanceof Map) return v.size > 0;
    return typeof v === 'object' ? Boolean(v.valueOf()) : Boolean(v);
  }
  /** A list; a lone scalar counts as a list of one. */
  list(key: string): Py[] {
    const v = this.data.get(key);
    return v === undefined || v === null ? [] : Array.isArray(v) ? [...v] : [v];
  }
  dict(key: string): PyDict {
    const v = this.data.get(key);
    return v instanceof PyDict ? v : new PyDict();
  }
  /** A copy whose keys may be changed without touching this one (values are shared). */
  with(changes: Record<string, Py>): Opts {
    const d = new PyDict(this.data);
    for (const [k, v] of Object.entries(changes)) d.set(k, v);
    return new Opts(d);
  }
}
