import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { PyDict, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import type { ReturnerCtx } from '../../returners/contract.ts';
import file from '../../returners/file.ts';
import http from '../../returners/http.ts';
import nats from '../../returners/nats.ts';
import rawfile from '../../returners/rawfile_json.ts';
import smtp from '../../returners/smtp.ts';
import syslog from '../../returners/syslog.ts';

const dir = mkdtempSync(join(tmpdir(), 'brine-returners-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const ctxOf = (opts: Readonly<Record<string, Wire>>): ReturnerCtx => ({
  opts: new Opts(new PyDict(Object.entries(opts).map(([k, v]) => [k, toPy(v)]))),
  log: quietLog,
  context: new Map(),
});
const RET: WireMap = {
  jid: '20300101000000000001',
  id: 'web1',
  fun: 'test.echo',
  fun_args: ['x'],
  return: 'ä\n',
  retcode: 0,
  success: true,
};
const port = (s: Server): number => (s.address() as AddressInfo).port;
const listen = (s: Server): Promise<void> => new Promise((ok) => s.listen(0, '127.0.0.1', ok));

test('rawfile_json writes returns and events as lines of JSON', async () => {
  const path = join(dir, 'deep/raw');
  const ctx = ctxOf({ 'rawfile_json.filename': path });
  await rawfile.returner(RET, ctx);
  await rawfile.eventReturn(
    [
      { tag: 'a', data: { n: 1 } },
      { tag: 'b', data: {} },
    ],
    ctx,
  );
  const lines = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l));
  assert.deepEqual(lines, [RET, { tag: 'a', data: { n: 1 } }, { tag: 'b', data: {} }]);
  assert.equal(statSync(path).mode & 0o777, 0o640 & ~process.umask());
});

test('file writes a line that people read, and says what failed', async () => {
  const path = join(dir, 'returns');
  const ctx = ctxOf({ 'file.filename': path });
  await file.returner(RET, ctx);
  await file.returner({ ...RET, id: 'web 2', retcode: 1 }, ctx);
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  assert.match(lines[0] as string, /^\S+ web1 20300101000000000001 test\.echo ok "ä\\n"$/);
  assert.match(lines[1] as string, / web_2 \d+ test\.echo FAILED /);
});

test('syslog sends facility, level, tag and the return in JSON; a wrong level is named', async () => {
  const server = createSocket('udp4');
  await new Promise<void>((ok) => server.bind(0, '127.0.0.1', ok));
  const got = new Promise<string>((ok) => server.once('message', (m) => ok(m.toString())));
  const address = `127.0.0.1:${server.address().port}`;
  await syslog.returner(
    RET,
    ctxOf({
      'syslog.address': address,
      'syslog.level': 'LOG_ERR',
      'syslog.facility': 'LOG_LOCAL3',
      'syslog.tag': 'salt',
      'syslog.options': ['LOG_PID'],
    }),
  );
  const line = await got;
  server.close();
  assert.match(line, /^<155>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d salt\[\d+\]: \{/);
  assert.deepEqual(JSON.parse(line.slice(line.indexOf('{'))), RET);
  await assert.rejects(async () => syslog.returner(RET, ctxOf({ 'syslog.level': 'LOG_X' })), /LOG_X \(syslog\.level\)/);
});

test('http posts the return; a bad answer is tried again, a refusal is not', async () => {
  const seen: { body: unknown; auth: string | undefined; type: string | undefined }[] = [];
  let status = 204;
  const server = createHttp((q, a) => {
    let body = '';
    q.on('data', (d) => {
      body += d;
    });
    q.on('end', () => {
      seen.push({ body: JSON.parse(body), auth: q.headers.authorization, type: q.headers['content-type'] });
      a.writeHead(status).end();
    });
  });
  await listen(server);
  const ctx = ctxOf({ 'http.url': `http://127.0.0.1:${port(server)}/x`, 'http.username': 'u', 'http.password': 'p' });
  await http.returner(RET, ctx);
  await http.eventReturn([{ tag: 'a', data: { n: 1 } }], ctx);
  assert.deepEqual(seen, [
    { body: RET, auth: 'Basic dTpw', type: 'application/json' },
    { body: [{ tag: 'a', data: { n: 1 } }], auth: 'Basic dTpw', type: 'application/json' },
  ]);
  for (const [code, again] of [
    [500, true],
    [401, true],
    [422, false],
  ] as const) {
    status = code;
    await assert.rejects(
      async () => http.returner(RET, ctx),
      (e: Error & { retryable?: boolean }) => e.message.endsWith(String(code)) && e.retryable === again,
    );
  }
  server.closeAllConnections();
  await new Promise((ok) => server.close(ok));
  await assert.rejects(async () => http.returner(RET, ctx), /ECONNREFUSED|other side closed/);
});

test('smtp hands over a mail to all receivers, and never says the password', async () => {
  const heard: string[] = [];
  let data = '';
  let refuseAuth = false;
  const server = createServer((s: Socket) => {
    let inData = false;
    let text = '';
    s.write('220 here\r\n');
    s.on('data', (d) => {
      text += d.toString();
      for (let at = text.indexOf('\r\n'); at >= 0; at = text.indexOf('\r\n')) {
        const line = text.slice(0, at);
        text = text.slice(at + 2);
        if (inData) {
          if (line === '.') {
            inData = false;
            s.write('250 taken\r\n');
          } else data += `${line}\n`;
          continue;
        }
        heard.push(line);
        if (line.startsWith('EHLO')) s.write('250-here\r\n250 AUTH PLAIN\r\n');
        else if (line.startsWith('AUTH') && refuseAuth) s.write('535 no\r\n');
        else if (line === 'DATA') {
          inData = true;
          s.write('354 go on\r\n');
        } else s.write('250 ok\r\n');
      }
    });
    s.on('error', () => undefined);
  });
  await listen(server);
  const ctx = ctxOf({
    'smtp.host': '127.0.0.1',
    'smtp.port': port(server),
    'smtp.from': 'salt@example.com',
    'smtp.to': 'a@example.com, b@example.com',
    'smtp.username': 'u',
    'smtp.password': 'p-word',
    'smtp.subject': 'Salté {{ id }}',
    'smtp.fields': 'fun,jid',
  });
  await smtp.returner(RET, ctx);
  assert.deepEqual(heard.slice(1), [
    `AUTH PLAIN ${Buffer.from('\0u\0p-word').toString('base64')}`,
    'MAIL FROM:<salt@example.com>',
    'RCPT TO:<a@example.com>',
    'RCPT TO:<b@example.com>',
    'DATA',
    'QUIT',
  ]);
  const [head, body] = data.split('\n\n') as [string, string];
  const subject = /^Subject: =\?utf-8\?B\?(.*)\?=$/m.exec(head)?.[1] ?? '';
  assert.equal(Buffer.from(subject, 'base64').toString(), 'Salté web1 test.echo 20300101000000000001');
  assert.match(
    Buffer.from(body, 'base64').toString(),
    /^id: web1\nfunction: test\.echo\nfunction args: \["x"\]\njid: \d+\nreturn: ä\n/,
  );
  refuseAuth = true;
  await assert.rejects(
    async () => smtp.returner(RET, ctx),
    (e: Error) => /AUTH was answered 535/.test(e.message) && !e.message.includes('p-word'),
  );
  server.close();
  await assert.rejects(async () => smtp.returner(RET, ctxOf({})), /smtp\.from/);
});

test('nats publishes under the minion and the function, with an id that lets a stream keep one', async () => {
  let heard = '';
  const sockets: Socket[] = [];
  const server = createServer((s) => {
    sockets.push(s);
    s.on('error', () => undefined);
    s.write('INFO {"server_id":"x","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576}\r\n');
    s.on('data', (d) => {
      heard += d.toString();
      for (const _ of d.toString().matchAll(/PING\r\n/g)) s.write('PONG\r\n');
    });
  });
  await listen(server);
  const ctx = ctxOf({ 'nats.servers': `127.0.0.1:${port(server)}` });
  await nats.returner({ ...RET, id: 'web1.example' }, ctx);
  await nats.eventReturn([{ tag: 'salt/job/1/new', data: {} }], ctx);
  await nats.close(ctx);
  for (const s of sockets) s.destroy();
  server.close();
  assert.match(heard, /HPUB salt\.returns\.web1_example\.test_echo /);
  assert.match(heard, /Nats-Msg-Id: 20300101000000000001\/web1\.example/);
  assert.match(heard, /HPUB salt\.events\.salt\.job\.1\.new /);
});
