/** Dates as operators write them in schedules: `5:00pm`, `Monday 8:00`, `11/29/2017 4:00pm`, `2017-11-29T16:00:00`. Local time. */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const DAY_MS = 86_400_000;

interface Found {
  year?: number;
  month?: number;
  day?: number;
  weekday?: number;
  hour?: number;
  minute?: number;
  second?: number;
  ms?: number;
  /** Minutes east of Greenwich. */
  zone?: number;
  /** Plain numbers of a date whose parts were not yet told apart. */
  numbers: number[];
}

const fullYear = (n: number, digits: number, base: Date): number => {
  if (digits > 2) return n;
  const century = Math.floor(base.getFullYear() / 100) * 100;
  const year = century + n;
  if (year >= base.getFullYear() + 50) return year - 100;
  return year < base.getFullYear() - 50 ? year + 100 : year;
};

const index = (names: readonly string[], word: string): number =>
  word.length < 3 ? -1 : names.findIndex((n) => word.toLowerCase().startsWith(n));

/** Patterns in the order they are tried at a place of the text; each notes what it found, or refuses by answering false. */
const PARTS: readonly [RegExp, (m: RegExpExecArray, f: Found, base: Date) => boolean][] = [
  [/^(\d{4})(\d{2})(\d{2})(?=$|T|\s)/, (m, f) => setDate(f, Number(m[1]), Number(m[2]) - 1, Number(m[3]))],
  [/^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})/, (m, f) => setDate(f, Number(m[1]), Number(m[2]) - 1, Number(m[3]))],
  [
    /^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})(?!\d)/,
    (m, f, base) => {
      const year = fullYear(Number(m[3]), (m[3] as string).length, base);
      const [a, b] = [Number(m[1]), Number(m[2])];
      // Month first, unless only the other order makes a date.
      return a > 12 ? setDate(f, year, b - 1, a) : setDate(f, year, a - 1, b);
    },
  ],
  [
    /^(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([ap])?\.?(m)?\.?(?![a-z\d])/i,
    (m, f) => {
      f.second = Number(m[3] ?? 0);
      f.ms = Math.floor(Number(`0.${m[4] ?? 0}`) * 1000);
      return setHour(f, Number(m[1]), Number(m[2]), m[5]);
    },
  ],
  [/^(\d{1,2})\s*([ap])\.?m?\.?(?![a-z\d])/i, (m, f) => setHour(f, Number(m[1]), 0, m[2])],
  [
    /^(?:UTC|GMT|Z)(?![a-z])/i,
    (_, f) => {
      f.zone = 0;
      return f.hour !== undefined;
    },
  ],
  [
    /^([+-])(\d{2}):?(\d{2})?(?!\d)/,
    (m, f) => {
      if (f.hour === undefined) return false;
      f.zone = (m[1] === '-' ? -1 : 1) * (Number(m[2]) * 60 + Number(m[3] ?? 0));
      return true;
    },
  ],
  [
    /^([a-z]+)\.?/i,
    (m, f) => {
      const word = m[1] as string;
      if (/^(?:t|at|on|and|of|st|nd|rd|th)$/i.test(word)) return true;
      const month = index(MONTHS, word);
      if (month >= 0) {
        f.month = month;
        return true;
      }
      const day = index(DAYS, word);
      if (day < 0) return false;
      f.weekday = day;
      return true;
    },
  ],
  [
    /^(\d{1,2}|\d{4})(?!\d)/,
    (m, f) => {
      f.numbers.push(Number(m[1]));
      return f.numbers.length < 3;
    },
  ],
];

function setDate(f: Found, year: number, month: number, day: number): boolean {
  Object.assign(f, { year, month, day });
  return month >= 0 && month < 12 && day >= 1 && day <= 31;
}

function setHour(f: Found, hour: number, minute: number, half: string | undefined): boolean {
  f.hour = hour;
  f.minute = minute;
  if (half !== undefined) {
    if (hour < 1 || hour > 12) return false;
    f.hour = (hour % 12) + (half.toLowerCase() === 'p' ? 12 : 0);
  }
  return f.hour < 24 && minute < 60 && (f.second ?? 0) < 60;
}

function read(text: string, base: Date): Found | undefined {
  const f: Found = { numbers: [] };
  let rest = text.trim();
  if (!rest) return undefined;
  while (rest) {
    const hit = PARTS.find(([pattern]) => pattern.test(rest));
    const m = hit && (hit[0].exec(rest) as RegExpExecArray);
    if (!hit || !m || !hit[1](m, f, base)) return undefined;
    rest = rest.slice(m[0].length).replace(/^[\s,]+/, '');
  }
  for (const n of f.numbers)
    if (f.day === undefined && n >= 1 && n <= 31) f.day = n;
    else if (f.year === undefined && n > 31) f.year = fullYear(n, String(n).length, base);
    else return undefined;
  return f;
}

/**
 * Reads a date in local time, as milliseconds since the epoch; undefined for what is none. What the text leaves out is taken from the
 * day of `base` (a missing time is midnight; a day of the week is the next such day, that of `base` included).
 */
export function parseDateText(text: string, base: number): number | undefined {
  const now = new Date(base);
  const f = read(text, now);
  if (!f) return undefined;
  const at = [f.hour ?? 0, f.minute ?? 0, f.second ?? 0, f.ms ?? 0] as const;
  const year = f.year ?? now.getFullYear();
  const month = f.month ?? now.getMonth();
  const last = new Date(year, month + 1, 0).getDate();
  if (f.day !== undefined && f.day > last) return undefined;
  const day = f.day ?? Math.min(now.getDate(), last);
  const found = new Date(year, month, day, ...at);
  if (f.weekday !== undefined && f.day === undefined)
    found.setDate(found.getDate() + ((f.weekday - found.getDay() + 7) % 7));
  if (f.zone === undefined) return found.getTime();
  const utc = Date.UTC(found.getFullYear(), found.getMonth(), found.getDate(), ...at);
  return utc - f.zone * 60_000;
}

/** The first moment at or after `from` that a text means: a time of day comes again every day, a full date once. */
export function nextDateText(text: string, from: number): number | undefined {
  const day = new Date(from);
  // Eight days hold every day of the week; a day of the month alone may be a month away.
  for (const step of [0, 1, 2, 3, 4, 5, 6, 7, 28, 31]) {
    const base = new Date(day.getFullYear(), day.getMonth(), day.getDate() + step).getTime();
    const at = parseDateText(text, base);
    if (at !== undefined && at >= from) return at;
    if (at !== undefined && from - at > 400 * DAY_MS) return undefined;
  }
  return undefined;
}

const CODES: Readonly<Record<string, string>> = {
  Y: '(?<Y>\\d{4})',
  y: '(?<y>\\d{2})',
  m: '(?<m>\\d{1,2})',
  d: '(?<d>\\d{1,2})',
  H: '(?<H>\\d{1,2})',
  I: '(?<I>\\d{1,2})',
  M: '(?<M>\\d{1,2})',
  S: '(?<S>\\d{1,2})',
  f: '(?<f>\\d{1,6})',
  p: '(?<p>[AaPp][Mm])',
  b: '(?<b>[A-Za-z]{3})',
  B: '(?<b>[A-Za-z]+)',
  '%': '%',
};

/** Reads a date of a given form (`%Y-%m-%dT%H:%M:%S` and the like); undefined where the text does not have it. Local time. */
export function parseFormatted(text: string, format: string): number | undefined {
  let pattern = '';
  for (let i = 0; i < format.length; i++) {
    const c = format[i] as string;
    if (c !== '%') {
      pattern += /\s/.test(c) ? '\\s+' : c.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
      continue;
    }
    const code = CODES[format[++i] ?? ''];
    if (code === undefined) return undefined;
    pattern += code;
  }
  let g: Record<string, string | undefined> | undefined;
  try {
    g = new RegExp(`^${pattern}$`).exec(text)?.groups;
  } catch {
    // The same code twice: no text has that form.
    return undefined;
  }
  if (!g) return undefined;
  const month = g['b'] === undefined ? Number(g['m'] ?? 1) - 1 : index(MONTHS, g['b']);
  const year = Number(g['Y'] ?? (g['y'] === undefined ? 1900 : Number(g['y']) + (Number(g['y']) < 69 ? 2000 : 1900)));
  const day = Number(g['d'] ?? 1);
  let hour = Number(g['H'] ?? g['I'] ?? 0);
  if (g['p']) hour = (hour % 12) + (g['p'].toLowerCase() === 'pm' ? 12 : 0);
  const [minute, second] = [Number(g['M'] ?? 0), Number(g['S'] ?? 0)];
  const wrong = month < 0 || month > 11 || day < 1 || hour > 23 || minute > 59 || second > 61;
  if (wrong || day > new Date(year, month + 1, 0).getDate()) return undefined;
  return new Date(year, month, day, hour, minute, second, Math.floor(Number(`0.${g['f'] ?? 0}`) * 1000)).getTime();
}

const two = (n: number): string => String(n).padStart(2, '0');

/** Writes a moment in local time; codes as in {@link parseFormatted}, unknown ones stay as they are. */
export function formatDate(at: number, format = '%Y-%m-%dT%H:%M:%S'): string {
  const d = new Date(at);
  const month = MONTHS[d.getMonth()] as string;
  const weekday = DAYS[d.getDay()] as string;
  const parts: Record<string, string> = {
    Y: String(d.getFullYear()),
    y: two(d.getFullYear() % 100),
    m: two(d.getMonth() + 1),
    d: two(d.getDate()),
    H: two(d.getHours()),
    I: two(d.getHours() % 12 || 12),
    M: two(d.getMinutes()),
    S: two(d.getSeconds()),
    f: String(d.getMilliseconds() * 1000).padStart(6, '0'),
    p: d.getHours() < 12 ? 'AM' : 'PM',
    b: (month[0] as string).toUpperCase() + month.slice(1),
    a: (weekday[0] as string).toUpperCase() + weekday.slice(1),
    '%': '%',
  };
  return format.replace(/%(.)/g, (all, code: string) => parts[code] ?? all);
}
