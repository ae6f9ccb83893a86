/** One http request that blocks: made by a program of our own, since a job process may not wait for its event loop. */
import { spawnSync } from 'node:child_process';

/** What to ask for. */
export interface WebRequest {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Seconds; 60 by default. */
  readonly timeout?: number;
  /** False: certificates are not checked. */
  readonly verify?: boolean;
  /** File with further certificates to trust. */
  readonly ca?: string;
  /** File the body is written to; absent: it is answered. */
  readonly to?: string;
  /** Files with the client's own certificate and its key (the certificate's file where no other is named). */
  readonly cert?: string;
  readonly key?: string;
  /** False: an answer that points elsewhere is the answer. */
  readonly follow?: boolean;
}

/** What came. `error` where nothing did; the body is empty where it was written to a file. */
export interface WebAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly error?: string;
}

/** Runs in the child: reads the request from standard input, writes a line of JSON and then the body. */
const PROGRAM = `
const fs = require('node:fs');
const zlib = require('node:zlib');
const { pipeline } = require('node:stream');
const q = JSON.parse(fs.readFileSync(0, 'utf8'));
const say = (o) => fs.writeSync(1, JSON.stringify(o) + '\\n');
const texts = { ECONNREFUSED: '[Errno 111] Connection refused', ENOTFOUND: '[Errno -2] Name or service not known',
  ECONNRESET: '[Errno 104] Connection reset by peer', EHOSTUNREACH: '[Errno 113] No route to host', ENETUNREACH: '[Errno 101] Network is unreachable' };
const fail = (e) => { say({ status: 0, headers: {}, error: texts[e.code] || e.message || e.code }); process.exit(0); };
process.on('uncaughtException', fail);
setTimeout(() => fail(new Error('Timeout while waiting for the answer')), (q.timeout || 60) * 1000).unref();
const ask = (url, method, body, left) => {
  const own = new URL(url).origin === new URL(q.url).origin;
  const headers = { ...q.headers };
  if (!own) delete headers.authorization;
  const http = require(url.startsWith('https:') ? 'node:https' : 'node:http');
  const r = http.request(url, { method, headers, ...(q.cert ? { cert: fs.readFileSync(q.cert), key: fs.readFileSync(q.key || q.cert) } : {}) }, (a) => {
    const to = a.headers.location;
    if (q.follow !== false && to && [301, 302, 303, 307, 308].includes(a.statusCode)) {
      a.resume();
      if (!left) return fail(new Error('Maximum (5) redirects followed'));
      const get = a.statusCode === 303 || (a.statusCode < 303 && method === 'POST');
      return ask(new URL(to, url).href, get ? 'GET' : method, get ? undefined : body, left - 1);
    }
    const headers = Object.fromEntries(Object.entries(a.headers).map(([k, v]) => [k, Array.isArray(v) ? v.join(', ') : v]));
    const kind = { gzip: 'createGunzip', deflate: 'createInflate', br: 'createBrotliDecompress' }[a.headers['content-encoding']];
    const steps = [a, ...(kind ? [zlib[kind]()] : [])];
    if (q.to && a.statusCode < 300) {
      pipeline(...steps, fs.createWriteStream(q.to, { mode: 0o600 }), (e) => (e ? fail(e) : say({ status: a.statusCode, headers })));
      return;
    }
    const out = steps.length > 1 ? pipeline(...steps, (e) => e && fail(e)) : a;
    const parts = [];
    out.on('data', (d) => parts.push(d)).on('error', fail).on('end', () => {
      say({ status: a.statusCode, headers });
      const all = Buffer.concat(parts);
      for (let at = 0; at < all.length;)
        try { at += fs.writeSync(1, all, at); } catch (e) { if (e.code !== 'EAGAIN') throw e; }
    });
  });
  r.on('error', fail);
  r.end(body);
};
ask(q.url, q.method || 'GET', q.body, 5);
`;

/** Asks and waits. Never throws for what the server or the network does. Credentials travel by a pipe, never by the command line. */
export function fetchSync(q: WebRequest): WebAnswer {
  const url = new URL(q.url);
  const headers: Record<string, string> = { 'user-agent': 'Salt', ...q.headers };
  if (url.username) {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
    url.username = '';
    url.password = '';
  }
  const env: Record<string, string | undefined> = { ...process.env };
  if (q.verify === false) env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  if (q.ca) env['NODE_EXTRA_CA_CERTS'] = q.ca;
  const r = spawnSync(process.execPath, ['--no-warnings', '-e', PROGRAM], {
    input: JSON.stringify({ ...q, url: url.href, headers }),
    env,
    maxBuffer: 1024 * 1024 * 1024,
    timeout: ((q.timeout ?? 60) + 10) * 1000,
  });
  const out = r.stdout ?? Buffer.alloc(0);
  const end = out.indexOf(10);
  if (end < 0)
    return { status: 0, headers: {}, body: Buffer.alloc(0), error: r.error?.message ?? 'the request was not answered' };
  const head = JSON.parse(out.toString('utf8', 0, end)) as {
    status: number;
    headers: Record<string, string>;
    error?: string;
  };
  return { ...head, body: out.subarray(end + 1) };
}
