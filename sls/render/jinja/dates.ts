/** `strftime` of the date filters, and reading of what operators give as a date. */
import { SaltError } from '../../../bus/errors.ts';
import { isFloat, isInt, numberOf, type Py, parseFloatText, str, strOf, Undefined } from '../../values.ts';

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const two = (n: number, fill = '0'): string => String(n).padStart(2, fill);

function yearDay(d: Date): number {
  return (
    Math.round((Date.UTC(d.getFullYear(), d.getMonth(), d.getDate()) - Date.UTC(d.getFullYear(), 0, 1)) / 864e5) + 1
  );
}
/** Year and week by ISO 8601. */
function isoWeek(d: Date): [number, number] {
  const day = new Date(Date.UTC(d.getFullYear(), d.getMonth(), d.getDate()));
  day.setUTCDate(day.getUTCDate() + 4 - (day.getUTCDay() || 7));
  const start = Date.UTC(day.getUTCFullYear(), 0, 1);
  return [day.getUTCFullYear(), Math.ceil(((day.getTime() - start) / 864e5 + 1) / 7)];
}

/** `datetime.strftime` in the C locale; unknown letters stay as written. */
export function formatDate(d: Date, format: string): string {
  const hour12 = d.getHours() % 12 || 12;
  const one = (letter: string): string | undefined => {
    switch (letter) {
      case 'Y':
        return String(d.getFullYear());
      case 'C':
        return two(Math.floor(d.getFullYear() / 100));
      case 'y':
        return two(d.getFullYear() % 100);
      case 'm':
        return two(d.getMonth() + 1);
      case 'd':
        return two(d.getDate());
      case 'e':
        return two(d.getDate(), ' ');
      case 'H':
        return two(d.getHours());
      case 'k':
        return two(d.getHours(), ' ');
      case 'I':
        return two(hour12);
      case 'l':
        return two(hour12, ' ');
      case 'M':
        return two(d.getMinutes());
      case 'S':
        return two(d.getSeconds());
      case 'f':
        return `${String(d.getMilliseconds()).padStart(3, '0')}000`;
      case 'p':
        return d.getHours() < 12 ? 'AM' : 'PM';
      case 'P':
        return d.getHours() < 12 ? 'am' : 'pm';
      case 'a':
        return DAYS[d.getDay()]?.slice(0, 3);
      case 'A':
        return DAYS[d.getDay()];
      case 'b':
      case 'h':
        return MONTHS[d.getMonth()]?.slice(0, 3);
      case 'B':
        return MONTHS[d.getMonth()];
      case 'j':
        return String(yearDay(d)).padStart(3, '0');
      case 'u':
        return String(d.getDay() || 7);
      case 'w':
        return String(d.getDay());
      case 'U':
        return two(Math.floor((yearDay(d) + 6 - d.getDay()) / 7));
      case 'W':
        return two(Math.floor((yearDay(d) + 6 - ((d.getDay() + 6) % 7)) / 7));
      case 'V':
        return two(isoWeek(d)[1]);
      case 'G':
        return String(isoWeek(d)[0]);
      case 'g':
        return two(isoWeek(d)[0] % 100);
      case 's':
        return String(Math.floor(d.getTime() / 1000));
      case 'z':
      case 'Z':
        return '';
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case '%':
        return '%';
      case 'D':
      case 'x':
        return formatDate(d, '%m/%d/%y');
      case 'F':
        return formatDate(d, '%Y-%m-%d');
      case 'T':
      case 'X':
        return formatDate(d, '%H:%M:%S');
      case 'R':
        return formatDate(d, '%H:%M');
      case 'r':
        return formatDate(d, '%I:%M:%S %p');
      case 'c':
        return formatDate(d, '%a %b %e %H:%M:%S %Y');
    }
    return undefined;
  };
  return format.replace(/%([-_0^#]?)([EO]?)([A-Za-z%])/g, (all, flag: string, _e: string, letter: string) => {
    const t = one(letter);
    if (t === undefined) return all;
    if (flag === '-') return t.replace(/^[0 ]+(?=.)/, '');
    if (flag === '_') return t.replace(/^0+(?=.)/, (z) => ' '.repeat(z.length));
    if (flag === '^') return t.toUpperCase();
    return t;
  });
}

const MONTH =
  '(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)';
const UNITS: Record<string, number> = {
  sec: 1,
  second: 1,
  min: 60,
  minute: 60,
  hour: 3600,
  day: 86400,
  week: 604800,
  fortnight: 1209600,
  weekday: 86400,
};

function monthOf(name: string): number {
  return MONTHS.findIndex((m) => m.toLowerCase().startsWith(name.slice(0, 3).toLowerCase()));
}

/** Mutable parts of a date being read. */
interface Parts {
  y?: number;
  mo?: number;
  d?: number;
  h?: number;
  mi?: number;
  s?: number;
  ms?: number;
  shift: [number, string][];
  weekday?: number;
}
type Take = (m: RegExpExecArray, p: Parts) => void;
const num = (t: string | undefined): number => Number(t ?? 0);
const year = (t: string): number => (t.length > 2 ? Number(t) : Number(t) + (Number(t) < 70 ? 2000 : 1900));

const FORMS: [RegExp, Take][] = [
  [
    /^@(-?\d+(?:\.\d+)?)/,
    (m, p) => {
      const d = new Date(Number(m[1]) * 1000);
      Object.assign(p, {
        y: d.getUTCFullYear(),
        mo: d.getUTCMonth(),
        d: d.getUTCDate(),
        h: d.getUTCHours(),
        mi: d.getUTCMinutes(),
        s: d.getUTCSeconds(),
      });
    },
  ],
  [
    /^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?=$|[^\d])/,
    (m, p) => Object.assign(p, { y: num(m[1]), mo: num(m[2]) - 1, d: num(m[3]) }),
  ],
  [
    /^(\d{1,2})\/(\d{1,2})\/(\d{4}|\d{2})(?=$|[^\d])/,
    (m, p) => Object.assign(p, { y: year(m[3] as string), mo: num(m[1]) - 1, d: num(m[2]) }),
  ],
  [
    /^(\d{1,2})[-.](\d{1,2})[-.](\d{4})(?=$|[^\d])/,
    (m, p) => Object.assign(p, { y: num(m[3]), mo: num(m[2]) - 1, d: num(m[1]) }),
  ],
  [/^(\d{4})(\d{2})(\d{2})(?=$|[^\d])/, (m, p) => Object.assign(p, { y: num(m[1]), mo: num(m[2]) - 1, d: num(m[3]) })],
  [
    new RegExp(`^(\\d{1,2})(?:st|nd|rd|th)?[ \\t.-]*${MONTH}[ \\t.,-]*(\\d{4})?(?=$|[^\\d:])`, 'i'),
    (m, p) => Object.assign(p, { d: num(m[1]), mo: monthOf(m[2] as string), ...(m[3] ? { y: num(m[3]) } : {}) }),
  ],
  [
    new RegExp(`^${MONTH}[ \\t.-]*(\\d{1,2})(?:st|nd|rd|th)?(?:[ \\t.,-]+(\\d{4}))?(?=$|[^\\d:])`, 'i'),
    (m, p) => Object.assign(p, { d: num(m[2]), mo: monthOf(m[1] as string), ...(m[3] ? { y: num(m[3]) } : {}) }),
  ],
  [
    new RegExp(`^${MONTH}[ \\t.-]*(\\d{4})?(?=$|[^\\d:])`, 'i'),
    (m, p) => Object.assign(p, { mo: monthOf(m[1] as string), d: 1, ...(m[2] ? { y: num(m[2]) } : {}) }),
  ],
  [
    /^t?(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?\s*([ap])\.?m\.?/i,
    (m, p) =>
      Object.assign(p, { h: (num(m[1]) % 12) + (/p/i.test(m[5] as string) ? 12 : 0), mi: num(m[2]), s: num(m[3]) }),
  ],
  [
    /^(\d{1,2})\s*([ap])\.?m\.?/i,
    (m, p) => Object.assign(p, { h: (num(m[1]) % 12) + (/p/i.test(m[2] as string) ? 12 : 0), mi: 0, s: 0 }),
  ],
  [
    /^t?(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?/i,
    (m, p) =>
      Object.assign(p, {
        h: num(m[1]),
        mi: num(m[2]),
        s: num(m[3]),
        ms: m[4] ? Math.floor(Number(`0.${m[4]}`) * 1000) : 0,
      }),
  ],
  [/^(?:utc|gmt|z)(?![a-z])/i, () => undefined],
  // Zones are read and left aside: the reference's parser answers the clock time as written.
  [/^[+-]\d{2}:?\d{2}(?=$|\s)/, () => undefined],
  [/^[a-ik-z](?![a-z])/i, () => undefined],
  [/^now/i, () => undefined],
  [/^today|^midnight/i, (_m, p) => Object.assign(p, { h: 0, mi: 0, s: 0 })],
  [/^noon/i, (_m, p) => Object.assign(p, { h: 12, mi: 0, s: 0 })],
  [
    /^tomorrow/i,
    (_m, p) => {
      Object.assign(p, { h: 0, mi: 0, s: 0 });
      p.shift.push([1, 'day']);
    },
  ],
  [
    /^yesterday/i,
    (_m, p) => {
      Object.assign(p, { h: 0, mi: 0, s: 0 });
      p.shift.push([-1, 'day']);
    },
  ],
  [
    /^([+-]?\s*\d+|next|last|previous|this)\s*(sec|second|min|minute|hour|day|week|fortnight|weekday|month|year)s?(\s+ago)?(?![a-z])/i,
    (m, p) => {
      const word = (m[1] as string).toLowerCase().replace(/\s/g, '');
      const n = word === 'next' ? 1 : word === 'last' || word === 'previous' ? -1 : word === 'this' ? 0 : Number(word);
      p.shift.push([m[3] ? -n : n, (m[2] as string).toLowerCase()]);
    },
  ],
  [
    /^(?:(next|last)\s+)?(sun|mon|tue|wed|thu|fri|sat)(?:[a-z]*day)?(?![a-z])/i,
    (m, p) => {
      p.weekday = DAYS.findIndex((d) => d.slice(0, 3).toLowerCase() === (m[2] as string).toLowerCase());
      if (/last/i.test(m[1] ?? '')) p.shift.push([-7, 'day']);
    },
  ],
  [/^(\d{4})(?=$|\s)/, (m, p) => Object.assign(p, { y: num(m[1]) })],
];

function parse(text: string, now: Date): Date | undefined {
  const p: Parts = { shift: [] };
  let rest = text.trim();
  if (!rest) return undefined;
  let dated = false;
  while (rest) {
    const hit = FORMS.find(([re]) => re.test(rest));
    if (!hit) return undefined;
    const m = hit[0].exec(rest) as RegExpExecArray;
    hit[1](m, p);
    dated = true;
    rest = rest.slice(m[0].length).replace(/^[\s,]+/, '');
  }
  if (!dated) return undefined;
  const timed = p.h !== undefined;
  const dateGiven = p.y !== undefined || p.mo !== undefined || p.d !== undefined || p.weekday !== undefined;
  const clock =
    timed || dateGiven ? [p.h ?? 0, p.mi ?? 0, p.s ?? 0] : [now.getHours(), now.getMinutes(), now.getSeconds()];
  const mo = p.mo ?? now.getMonth();
  if (mo < 0 || mo > 11 || (p.d ?? 1) > 31 || (clock[0] as number) > 24) return undefined;
  const d = new Date(
    p.y ?? now.getFullYear(),
    mo,
    p.d ?? now.getDate(),
    clock[0],
    clock[1] as number,
    clock[2],
    p.ms ?? 0,
  );
  for (const [n, unit] of p.shift) {
    if (unit === 'month') d.setMonth(d.getMonth() + n);
    else if (unit === 'year') d.setFullYear(d.getFullYear() + n);
    else if (unit === 'day' || unit === 'week' || unit === 'fortnight' || unit === 'weekday')
      d.setDate(d.getDate() + (n * (UNITS[unit] as number)) / 86400);
    else d.setTime(d.getTime() + n * 1000 * (UNITS[unit] as number));
  }
  if (p.weekday !== undefined) d.setDate(d.getDate() + ((p.weekday - d.getDay() + 7) % 7));
  return d;
}

/**
 * A date as operators write it: nothing (now), a timestamp, ISO and common forms, `tomorrow`, `+1 week`. Read in local time; a zone
 * is left aside, as the reference's parser does. ValueError `Unable to parse …` otherwise.
 */
export function readDate(v: Py): Date {
  if (v === null) return new Date();
  if (v instanceof Undefined) v.fail();
  const t = strOf(v);
  if (t !== undefined) {
    const d = parse(t, new Date());
    if (d) return d;
    const n = /^\d+$/.test(t) ? Number(t) : parseFloatText(t);
    if (n !== undefined && Number.isFinite(n) && Math.abs(n) < 8.6e12) return new Date(n * 1000);
  } else if (isInt(v, true) || isFloat(v)) {
    const n = numberOf(v) as number;
    if (Number.isFinite(n) && Math.abs(n) < 8.6e12) return new Date(n * 1000);
  }
  throw new SaltError('ValueError', `Unable to parse ${str(v)}`);
}
