/** What every transport promises, as tests to be run on each adapter of bus/transport/contract.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filter, firstValueFrom, take, toArray } from 'rxjs';
import type { PublishClient, PublishServer, RequestClient, RequestServer } from '../../bus/transport/contract.ts';

/** One adapter: how its four parts are made, on loopback. */
export interface TransportHarness {
  name: string;
  requestServer(): RequestServer;
  requestClient(port: number): RequestClient;
  publishServer(): PublishServer;
  publishClient(port: number, topics?: readonly string[]): PublishClient;
  /** Sends raw multi-part messages to a request server as a hostile peer would; resolves when they are on their way. */
  sendRaw(port: number, messages: Uint8Array[][]): Promise<void>;
}

const HOST = '127.0.0.1';
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (b: Uint8Array): string => Buffer.from(b).toString();
const until = async (done: () => boolean, what: string): Promise<void> => {
  for (const end = Date.now() + 5000; !done(); ) {
    if (Date.now() > end) assert.fail(`never: ${what}`);
    await new Promise((r) => setTimeout(r, 5));
  }
};

/** Opens things and closes all of them when the test ends, however it ends. */
async function using(body: (keep: <T extends { close(): Promise<void> }>(x: T) => T) => Promise<void>): Promise<void> {
  const open: { close(): Promise<void> }[] = [];
  try {
    await body((x) => {
      open.push(x);
      return x;
    });
  } finally {
    for (const x of open.reverse()) await x.close();
  }
}

const echo = (server: RequestServer): void => {
  server.requests$.subscribe((r) => r.reply(r.body));
};
const up = (client: PublishClient): Promise<boolean> => firstValueFrom(client.connected$.pipe(filter((on) => on)));

/** Registers the suite's tests for one adapter. */
export function transportSuite(h: TransportHarness): void {
  const it = (name: string, body: Parameters<typeof using>[0]): void => {
    test(`${h.name}: ${name}`, { timeout: 20_000 }, () => using(body));
  };

  it('a request gets its answer, of any size and content', async (keep) => {
    const server = keep(h.requestServer());
    echo(server);
    const client = keep(h.requestClient(await server.listen(HOST, 0)));
    for (const size of [0, 1, 255, 65_536, 3_000_000]) {
      const body = Buffer.alloc(size, 0xa5);
      assert.ok(Buffer.from(await client.request(body, 5000)).equals(body), `${size} bytes`);
    }
  });

  it('overlapping requests each get their own answer, even when answers leave in another order', async (keep) => {
    const server = keep(h.requestServer());
    server.requests$.subscribe((r) => {
      const n = Number(text(r.body));
      setTimeout(() => r.reply(r.body), n % 2 ? 1 : 20);
    });
    const client = keep(h.requestClient(await server.listen(HOST, 0)));
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => client.request(bytes(String(i)), 5000)));
    assert.deepEqual(
      answers.map(text),
      Array.from({ length: 20 }, (_, i) => String(i)),
    );
  });

  it('requests that follow one another arrive in order', async (keep) => {
    const server = keep(h.requestServer());
    const seen: string[] = [];
    server.requests$.subscribe((r) => {
      seen.push(text(r.body));
      r.reply(r.body);
    });
    const client = keep(h.requestClient(await server.listen(HOST, 0)));
    for (let i = 0; i < 50; i++) await client.request(bytes(String(i)), 5000);
    assert.deepEqual(
      seen,
      Array.from({ length: 50 }, (_, i) => String(i)),
    );
  });

  it('a request without answer times out, and the next one works', async (keep) => {
    const server = keep(h.requestServer());
    server.requests$.subscribe((r) => {
      if (text(r.body) !== 'silence') r.reply(r.body);
    });
    const client = keep(h.requestClient(await server.listen(HOST, 0)));
    for (let i = 0; i < 6; i++) {
      const before = performance.now();
      await assert.rejects(client.request(bytes('silence'), 50), { code: 'SaltReqTimeoutError' });
      assert.ok(performance.now() - before < 2000);
    }
    assert.equal(text(await client.request(bytes('word'), 5000)), 'word');
  });

  it('a request waits for a server that is not there yet', async (keep) => {
    const first = h.requestServer();
    const port = await first.listen(HOST, 0);
    await first.close();
    const client = keep(h.requestClient(port));
    const answer = client.request(bytes('early'), 10_000);
    const server = keep(h.requestServer());
    echo(server);
    await server.listen(HOST, port);
    assert.equal(text(await answer), 'early');
  });

  it('a request to nobody times out', async (keep) => {
    const client = keep(h.requestClient(1));
    await assert.rejects(client.request(bytes('x'), 50), { code: 'SaltReqTimeoutError' });
  });

  it('an answer is given once, late ones do no harm', async (keep) => {
    const server = h.requestServer();
    const late: (() => void)[] = [];
    server.requests$.subscribe((r) => {
      r.reply(bytes('first'));
      r.reply(bytes('second'));
      late.push(() => r.reply(bytes('third')));
    });
    const unanswered = h.requestServer();
    const waiting: (() => void)[] = [];
    unanswered.requests$.subscribe((r) => waiting.push(() => r.reply(bytes('too late'))));
    const client = keep(h.requestClient(await server.listen(HOST, 0)));
    assert.equal(text(await client.request(bytes('x'), 5000)), 'first');
    const other = keep(h.requestClient(await unanswered.listen(HOST, 0)));
    const lost = assert.rejects(other.request(bytes('y'), 300), { code: 'SaltReqTimeoutError' });
    await until(() => waiting.length === 1, 'the request arrives');
    const closing = unanswered.close();
    for (const f of late) f();
    await Promise.all([closing, server.close()]);
    for (const f of [...late, ...waiting]) f();
    await lost;
    assert.equal(unanswered.dropped['late reply'], 1);
  });

  it('a port that is taken is refused by name', async (keep) => {
    const first = keep(h.requestServer());
    const port = await first.listen(HOST, 0);
    await assert.rejects(keep(h.requestServer()).listen(HOST, port), {
      code: 'PortInUse',
      message: `Address already in use: ${HOST}:${port}`,
    });
    const pub = keep(h.publishServer());
    const taken = await pub.listen(HOST, 0);
    await assert.rejects(keep(h.publishServer()).listen(HOST, taken), { code: 'PortInUse' });
  });

  it('10,000 malformed messages are counted while a good client goes on working', async (keep) => {
    const server = keep(h.requestServer());
    echo(server);
    const port = await server.listen(HOST, 0);
    const client = keep(h.requestClient(port));
    await client.request(bytes('warm'), 5000);
    const shapes = [
      [bytes('x'.repeat(50))],
      [bytes(''), bytes('a'), bytes('b')],
      [bytes('no delimiter'), bytes('b')],
      [bytes('')],
    ];
    // The sender's identity comes in front: none of these is identity, empty part, body.
    const flood = h.sendRaw(
      port,
      Array.from({ length: 10_000 }, (_, i) => shapes[i % shapes.length] as Uint8Array[]),
    );
    const took: number[] = [];
    for (let i = 0; i < 100; i++) {
      const before = performance.now();
      assert.equal(text(await client.request(bytes(`good ${i}`), 5000)), `good ${i}`);
      took.push(performance.now() - before);
    }
    await flood;
    await until(() => server.dropped['framing'] === 10_000, '10,000 counted');
    took.sort((a, b) => a - b);
    assert.ok((took[94] as number) < 1000, `95 of 100 answers within ${took[94]} ms`);
  });

  it('publishes reach every subscriber, in order', async (keep) => {
    const server = keep(h.publishServer());
    const port = await server.listen(HOST, 0);
    const clients = [keep(h.publishClient(port)), keep(h.publishClient(port))];
    const heard = clients.map((c) => firstValueFrom(c.frames$.pipe(take(100), toArray())));
    await Promise.all(clients.map(up));
    await until(() => server.peers().size >= 2, 'two peers');
    for (let i = 0; i < 100; i++) server.publish(bytes(String(i)));
    for (const frames of await Promise.all(heard))
      assert.deepEqual(
        frames.map(text),
        Array.from({ length: 100 }, (_, i) => String(i)),
      );
  });

  it('with topics each subscriber hears its own, and one without topics hears all', async (keep) => {
    const server = keep(h.publishServer());
    const port = await server.listen(HOST, 0);
    const mine = keep(h.publishClient(port, ['broadcast', 'me']));
    const all = keep(h.publishClient(port));
    const heard: string[] = [];
    mine.frames$.subscribe((f) => heard.push(text(f)));
    const everything: string[] = [];
    all.frames$.subscribe((f) => everything.push(text(f)));
    await Promise.all([up(mine), up(all)]);
    await until(() => server.peers().size >= 2, 'two peers');
    for (let i = 0; i < 3; i++) {
      server.publish(bytes(`you ${i}`), ['you']);
      server.publish(bytes(`both ${i}`), ['me', 'you']);
      server.publish(bytes(`all ${i}`), ['broadcast']);
    }
    await until(() => everything.length === 12 && heard.length === 6, 'all arrived');
    assert.deepEqual(heard, ['both 0', 'all 0', 'both 1', 'all 1', 'both 2', 'all 2']);
  });

  it('a subscriber learns of the loss and of the return of its publisher', async (keep) => {
    const first = h.publishServer();
    const port = await first.listen(HOST, 0);
    const client = keep(h.publishClient(port));
    const states: boolean[] = [];
    client.connected$.subscribe((s) => states.push(s));
    await up(client);
    await first.close();
    await until(() => states.at(-1) === false, 'the loss is told');
    const again = keep(h.publishServer());
    await again.listen(HOST, port);
    await up(client);
    await until(() => again.peers().size === 1, 'back again');
    const frame = firstValueFrom(client.frames$);
    // A subscription travels after the connection: publish until it is heard.
    const timer = setInterval(() => again.publish(bytes('news')), 20);
    try {
      assert.equal(text(await frame), 'news');
    } finally {
      clearInterval(timer);
    }
    assert.deepEqual(states.slice(0, 4), [false, true, false, true].slice(states[0] ? 1 : 0));
  });

  it('what is closed stays quiet', async () => {
    const server = h.requestServer();
    const port = await server.listen(HOST, 0);
    const client = h.requestClient(port);
    const pending = assert.rejects(client.request(bytes('x'), 5000), { code: 'SaltClientError' });
    await client.close();
    await pending;
    await assert.rejects(client.request(bytes('x'), 5000), { code: 'SaltClientError' });
    await server.close();
    await server.close();
    const pub = h.publishServer();
    await pub.listen(HOST, 0);
    await pub.close();
    pub.publish(bytes('x'));
    await pub.close();
  });
}
