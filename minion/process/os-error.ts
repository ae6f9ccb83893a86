import { repr } from '../../sls/values.ts';

/** Numbers and words of system errors, as Linux and Python have them. */
const ERRNO: Record<string, [number, string]> = {
  ENOENT: [2, 'No such file or directory'],
  E2BIG: [7, 'Argument list too long'],
  ENOEXEC: [8, 'Exec format error'],
  ENOMEM: [12, 'Cannot allocate memory'],
  EACCES: [13, 'Permission denied'],
  EPERM: [1, 'Operation not permitted'],
  EAGAIN: [11, 'Resource temporarily unavailable'],
  ENOTDIR: [20, 'Not a directory'],
  EMFILE: [24, 'Too many open files'],
  ETXTBSY: [26, 'Text file busy'],
  ELOOP: [40, 'Too many levels of symbolic links'],
};

/** The text of a system error as Python words it: `[Errno 2] No such file or directory: 'x'`. */
export function osErrorText(code: string, path: string): string {
  const [n, text] = ERRNO[code] ?? [5, code];
  return `[Errno ${n}] ${text}: ${repr(path)}`;
}
