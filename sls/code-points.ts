/** Text as Python counts it: by code points, where JavaScript goes by UTF-16 units. */

/** Text in order of code points, where JavaScript goes by UTF-16 units. */
export function compareText(a: string, b: string): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      const sx = x >= 0xd800 && x < 0xe000;
      const sy = y >= 0xd800 && y < 0xe000;
      if (sx !== sy && x >= 0xd800 && y >= 0xd800) return sx ? 1 : -1;
      return x < y ? -1 : 1;
    }
  }
  return a.length - b.length;
}

const SURROGATE = /[\ud800-\udbff][\udc00-\udfff]/;
/** Whether a text needs the slow path by code points. */
export function hasAstral(text: string): boolean {
  return SURROGATE.test(text);
}
/** Length in code points. */
export function textLength(text: string): number {
  if (!SURROGATE.test(text)) return text.length;
  let n = 0;
  for (const _ of text) n++;
  return n;
}
/** The text as an array of its characters (code points). */
export function chars(text: string): string[] {
  return SURROGATE.test(text) ? [...text] : text.split('');
}
