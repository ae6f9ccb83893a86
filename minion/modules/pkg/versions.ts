/** Order of Debian versions, as `dpkg --compare-versions` has it. */

const isDigit = (c: string | undefined): boolean => c !== undefined && c >= '0' && c <= '9';

/** Weight of a character that is no digit: a tilde comes before the end, letters before all else. */
function weight(c: string | undefined): number {
  if (c === undefined || isDigit(c)) return 0;
  if (c === '~') return -1;
  const code = c.charCodeAt(0);
  return /[A-Za-z]/.test(c) ? code : code + 256;
}

function comparePart(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a[i])) || (j < b.length && !isDigit(b[j]))) {
      const d = weight(a[i]) - weight(b[j]);
      if (d) return Math.sign(d);
      i++;
      j++;
    }
    const digits = (s: string, from: number): string => /^\d*/.exec(s.slice(from))?.[0] ?? '';
    const x = digits(a, i);
    const y = digits(b, j);
    i += x.length;
    j += y.length;
    const d = BigInt(x || '0') - BigInt(y || '0');
    if (d) return d < 0n ? -1 : 1;
  }
  return 0;
}

function split(v: string): { epoch: number; upstream: string; revision: string } {
  const colon = v.indexOf(':');
  const rest = v.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  return {
    epoch: colon > 0 ? Number(v.slice(0, colon)) : 0,
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? '' : rest.slice(dash + 1),
  };
}

/** -1, 0 or 1 for a version that is older, equal or newer. */
export function compareVersions(one: string, other: string, ignoreEpoch = false): number {
  const a = split(one);
  const b = split(other);
  if (!ignoreEpoch && a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  return comparePart(a.upstream, b.upstream) || comparePart(a.revision, b.revision);
}

/** Whether `one <operator> other` holds; an unknown operator never does. */
export function versionHolds(one: string, operator: string, other: string, ignoreEpoch = false): boolean {
  const d = compareVersions(one, other, ignoreEpoch);
  switch (operator) {
    case '<':
      return d < 0;
    case '<=':
      return d <= 0;
    case '==':
      return d === 0;
    case '!=':
      return d !== 0;
    case '>=':
      return d >= 0;
    case '>':
      return d > 0;
    default:
      return false;
  }
}
