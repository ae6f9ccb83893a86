/** Salt's filters that ask the machine: files, programs, users, names, HTTP. */
import { spawnSync } from 'node:child_process';
import { createHash, getHashes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { join, posix } from 'node:path';
import { SaltError } from '../../../bus/errors.ts';
import { parseAddress } from '../../ip-address.ts';
import { type Py, PyDict, PyObject, repr, str, strOf, truth, Undefined } from '../../values.ts';
import type { FilterRow } from './engine.ts';
import { typeError } from './ops.ts';

function pathOf(v: Py): string {
  const t = strOf(v);
  if (t !== undefined) return t;
  if (v instanceof Undefined) v.fail();
  return typeError(`expected str, bytes or os.PathLike object, not ${v === null ? 'NoneType' : typeof v}`);
}
function isProgram(path: string): boolean {
  try {
    if (!statSync(path).isFile()) return false;
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Not there or not ours to run: the search goes on.
    return false;
  }
}
function which([exe]: Py[]): Py {
  if (!truth(exe as Py)) return null;
  const name = str(exe as Py);
  if (isProgram(name)) return name;
  const path = (process.env['PATH'] ?? '').split(':');
  for (const d of ['/sbin', '/bin', '/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin'])
    if (!path.includes(d)) path.push(d);
  return path.map((d) => pathJoin([d, name])).find(isProgram) ?? null;
}
/** Joins parts; a later absolute part does not start over. */
export function pathJoin(parts: string[]): string {
  const norm = (p: string): string => posix.normalize(p || '.').replace(/(.)\/$/, '$1');
  const [root, ...rest] = parts.map(norm);
  if (root === undefined) return '';
  return norm([root, ...rest.map((p) => p.replace(/^\/+/, ''))].join('/'));
}
/** Whether the start of a file holds what no text does: a NUL or over 30 % of control bytes. */
function looksBinary(b: Buffer): boolean {
  if (!b.length) return false;
  if (b.includes(0)) return true;
  let valid = true;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(b, { stream: true });
  } catch {
    // Not UTF-8: bytes beyond ASCII count as no text.
    valid = false;
  }
  let odd = 0;
  for (const c of b)
    if (
      !(
        (c >= 32 && c < 127) ||
        c === 10 ||
        c === 13 ||
        c === 9 ||
        c === 12 ||
        c === 8 ||
        (valid && c >= 128 && c < 255)
      )
    )
      odd++;
  return odd / b.length > 0.3;
}
function head(path: string, n: number): Buffer | undefined {
  try {
    const fd = openSync(path, 'r');
    try {
      const b = Buffer.alloc(n);
      return b.subarray(0, readSync(fd, b, 0, n, 0));
    } finally {
      closeSync(fd);
    }
  } catch {
    // Missing or unreadable: the filters answer False for it.
    return undefined;
  }
}
function listFiles([dir]: Py[]): Py {
  const root = pathOf(dir as Py);
  const out: string[] = [root];
  const walk = (d: string): void => {
    if (!existsSync(d) || !statSync(d).isDirectory()) return;
    for (const e of readdirSync(d, { withFileTypes: true })) {
      const p = join(d, e.name);
      out.push(p);
      if (e.isDirectory()) walk(p);
    }
  };
  walk(root);
  return out;
}
function fileHash([path, form]: Py[]): Py {
  const name = str(form as Py);
  if (!getHashes().includes(name)) throw new SaltError('ValueError', `Invalid hash type: ${name}`);
  const file = pathOf(path as Py);
  try {
    return createHash(name).update(readFileSync(file)).digest('hex');
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    const known: Record<string, string> = {
      ENOENT: '[Errno 2] No such file or directory',
      EACCES: '[Errno 13] Permission denied',
      EISDIR: '[Errno 21] Is a directory',
    };
    throw new SaltError('ValueError', `${known[code ?? ''] ?? String(e)}: ${repr(file)}`);
  }
}
function uidOf([user]: Py[]): Py {
  if (user === null) return process.geteuid?.() ?? null;
  const name = str(user as Py);
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((l) => l.startsWith(`${name}:`));
  if (line) return Number(line.split(':')[2]);
  const r = spawnSync('getent', ['passwd', name], { encoding: 'utf8' });
  return r.status === 0 ? Number(r.stdout.split(':')[2]) : null;
}
function dnsCheck([addr, , safe, ipv6]: Py[]): Py {
  const name = str(addr as Py);
  const database = ipv6 === true ? 'ahostsv6' : ipv6 === false ? 'ahostsv4' : 'ahosts';
  let r = spawnSync('getent', [database, name], { encoding: 'utf8', timeout: 10_000 });
  if (r.status !== 0 && ipv6 === true)
    r = spawnSync('getent', ['ahostsv4', name], { encoding: 'utf8', timeout: 10_000 });
  const found = (r.stdout ?? '')
    .split('\n')
    .map((l) => l.split(/\s+/)[0] as string)
    .filter((a) => a);
  if (!found.length) {
    const message = `DNS lookup or connection check of '${name}' failed.`;
    throw truth(safe as Py)
      ? new SaltError('SaltClientError', message)
      : new SaltError('SaltClientError', message, { exit: 42 });
  }
  const first = found[0] as string;
  return parseAddress(first)?.version === 6 ? `[${first}]` : first;
}

/** The filters of this file. */
export const SALT_HOST_FILTERS: readonly FilterRow[] = [
  ['which', 'which(exe=None)', which],
  [
    'path_join',
    'join(first, *parts, **kwargs)',
    ([first, parts, kwargs]) => {
      for (const k of (kwargs as PyDict).keys())
        if (k !== 'use_posixpath')
          throw new SaltError(
            'SaltInvocationError',
            `The following keyword arguments are not valid: ${str(k)}=${str((kwargs as PyDict).get(k) as Py)}`,
          );
      return pathJoin(
        [first as Py, ...(parts as Py[])].map((p) => (p instanceof Uint8Array ? Buffer.from(p).toString() : pathOf(p))),
      );
    },
  ],
  [
    'is_empty',
    'is_empty(filename)',
    ([f]) => {
      try {
        return statSync(pathOf(f as Py)).size === 0;
      } catch (e) {
        if (e instanceof SaltError) throw e;
        return false;
      }
    },
  ],
  [
    'is_text_file',
    'is_text(fp_, blocksize=512)',
    ([f, n]) => {
      const b = head(pathOf(f as Py), Math.min(Number(n), 1_000_000));
      return b !== undefined && !looksBinary(b);
    },
  ],
  [
    'is_bin_file',
    'is_binary(path)',
    ([f]) => {
      const b = head(pathOf(f as Py), 2048);
      return b !== undefined && looksBinary(b);
    },
  ],
  ['list_files', 'list_files(directory)', listFiles],
  ['file_hashsum', "get_hash(path, form='sha256', chunk_size=65536)", fileHash],
  ['get_uid', 'get_uid(user=None)', uidOf],
  ['dns_check', 'dns_check(addr, port, safe=False, ipv6=None)', dnsCheck],
  [
    'http_query',
    "query(url, method='GET', **kwargs)",
    ([url, method, kwargs], e) => {
      const fn = e.salt('http.query');
      if (!(fn instanceof PyObject)) throw new SaltError('SaltInvocationError', "'http.query' is not available here");
      const all = new PyDict(kwargs as PyDict);
      all.set('method', method as Py);
      return e.call(fn, [url as Py], all);
    },
  ],
];
