/** Files as text: whether they are, their lines, and what differs between two. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { unifiedDiff } from './diff.ts';

/** Whether bytes look like no text: a zero byte, or three in ten that are not printable ASCII. */
export function isBinary(block: Uint8Array): boolean {
  if (!block.length) return false;
  let odd = 0;
  for (const c of block) {
    if (c === 0) return true;
    if (!((c >= 32 && c < 127) || (c >= 8 && c <= 10) || c === 13)) odd++;
  }
  return odd / block.length > 0.3;
}

/** Whether a file's first block looks like text; a file that cannot be read does not. */
export function isTextFile(path: string): boolean {
  try {
    const fd = openSync(path, 'r');
    try {
      const block = Buffer.alloc(512);
      return !isBinary(block.subarray(0, readSync(fd, block)));
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}

/** Lines with their ends, split as Python's `str.splitlines(True)` does it. */
export function linesOf(text: string): string[] {
  return (
    text.match(
      /[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])|[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+$/g,
    ) ?? []
  );
}

/** The same lines without their ends. */
export function bareLines(text: string): string[] {
  return linesOf(text).map((l) => l.replace(/(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])$/, ''));
}

/** Lines as a file object reads them: only line feeds end one. */
export function fileLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** Bytes as text: UTF-8, or Latin-1 where they are none. */
export function decoded(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  return text.includes('\ufffd') && !Buffer.from(text).equals(bytes) ? bytes.toString('latin1') : text;
}

/** The text of a file. */
export function readText(path: string): string {
  return decoded(readFileSync(path));
}

/** A diff of lines as one text, empty where nothing differs. */
export function diffText(a: readonly string[], b: readonly string[], from = '', to = ''): string {
  return unifiedDiff(a, b, from, to).join('');
}
