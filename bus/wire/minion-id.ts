/** Longest minion id, in bytes: it becomes a file name. */
export const MAX_ID_BYTES = 255;

/** Whether a value may be a minion id: text that names one entry of a directory and nothing outside it. */
export function isMinionId(id: unknown): id is string {
  return (
    typeof id === 'string' &&
    id !== '' &&
    id !== '.' &&
    id !== '..' &&
    !/[/\\\0\r\n]/.test(id) &&
    Buffer.byteLength(id) <= MAX_ID_BYTES
  );
}
