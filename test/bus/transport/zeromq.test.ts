import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filter, firstValueFrom } from 'rxjs';
import { Dealer, Publisher } from 'zeromq';
import {
  hostOfPeer,
  topicOf,
  ZmqPublishClient,
  ZmqPublishServer,
  ZmqRequestClient,
  ZmqRequestServer,
} from '../../../bus/transport/zeromq.ts';
import { transportSuite } from '../../conformance/transport-suite.ts';

const HOST = '127.0.0.1';
const quick = { base: 20, max: 100 };

transportSuite({
  name: 'zeromq',
  requestServer: () => new ZmqRequestServer(),
  requestClient: (port) => new ZmqRequestClient({ host: HOST, port }),
  publishServer: () => new ZmqPublishServer(),
  publishClient: (port, topics) => new ZmqPublishClient({ host: HOST, port, topics, reconnect: quick }),
  sendRaw: async (port, messages) => {
    const dealer = new Dealer({ linger: 5000 });
    dealer.connect(`tcp://${HOST}:${port}`);
    for (const m of messages) await dealer.send(m);
    dealer.close();
  },
});

test('subscribers are known by their address', async () => {
  const server = new ZmqPublishServer();
  const client = new ZmqPublishClient({ host: HOST, port: await server.listen('0.0.0.0', 0), reconnect: quick });
  try {
    assert.equal(server.peers().size, 0);
    await firstValueFrom(client.connected$.pipe(filter((on) => on)));
    const peers = [...server.peers()];
    assert.equal(peers.length, 1);
    assert.equal(hostOfPeer(peers[0] ?? ''), HOST);
  } finally {
    await client.close();
    await server.close();
  }
});

test('a client follows a name that moves to another address', async () => {
  const one = new ZmqRequestServer();
  const two = new ZmqRequestServer();
  const port = await one.listen('127.0.0.1', 0);
  await two.listen('127.0.0.2', port);
  one.requests$.subscribe((r) => r.reply(Buffer.from('one')));
  two.requests$.subscribe((r) => r.reply(Buffer.from('two')));
  let at = '127.0.0.1';
  const client = new ZmqRequestClient({ host: 'master', port, resolve: async () => at, sockets: 1 });
  const pubs = [new ZmqPublishServer(), new ZmqPublishServer()] as const;
  const pubPort = await pubs[0].listen('127.0.0.1', 0);
  await pubs[1].listen('127.0.0.2', pubPort);
  const sub = new ZmqPublishClient({ host: 'master', port: pubPort, resolve: async () => at, reconnect: quick });
  try {
    const ask = async (): Promise<string> => Buffer.from(await client.request(Buffer.from('?'), 2000)).toString();
    assert.equal(await ask(), 'one');
    await firstValueFrom(sub.connected$.pipe(filter((on) => on)));
    at = '127.0.0.2';
    await one.close();
    await assert.rejects(client.request(Buffer.from('?'), 50), { code: 'SaltReqTimeoutError' });
    assert.equal(await ask(), 'two');
    await pubs[0].close();
    const frame = firstValueFrom(sub.frames$);
    const timer = setInterval(() => pubs[1].publish(Buffer.from('moved')), 20);
    assert.equal(Buffer.from(await frame).toString(), 'moved');
    clearInterval(timer);
  } finally {
    await Promise.all([client.close(), sub.close(), two.close(), pubs[0].close(), pubs[1].close()]);
  }
});

test('a resolver that fails fails the request alone, not the client', async () => {
  const server = new ZmqRequestServer();
  server.requests$.subscribe((r) => r.reply(r.body));
  const port = await server.listen(HOST, 0);
  let broken = true;
  const client = new ZmqRequestClient({
    host: 'master',
    port,
    resolve: async () => {
      if (broken) throw new Error('no such name');
      return HOST;
    },
  });
  try {
    for (let i = 0; i < 10; i++)
      await assert.rejects(client.request(Buffer.from('x'), 1000), { code: 'SaltClientError' });
    broken = false;
    assert.equal(Buffer.from(await client.request(Buffer.from('x'), 2000)).toString(), 'x');
  } finally {
    await client.close();
    await server.close();
  }
});

test('the last part of a message is the payload, whatever stands before it', async () => {
  const pub = new Publisher({ linger: 0 });
  await pub.bind(`tcp://${HOST}:*`);
  const port = Number(/\d+$/.exec(pub.lastEndpoint ?? '')?.[0]);
  const client = new ZmqPublishClient({ host: HOST, port, reconnect: quick });
  try {
    const frame = firstValueFrom(client.frames$);
    const timer = setInterval(() => void pub.send([topicOf('m1'), 'payload']), 20);
    assert.equal(Buffer.from(await frame).toString(), 'payload');
    clearInterval(timer);
  } finally {
    await client.close();
    pub.close();
  }
});

test('a send queue that is full drops and counts', async () => {
  const server = new ZmqPublishServer({ sendQueue: 5 });
  await server.listen(HOST, 0);
  for (let i = 0; i < 20; i++) server.publish(Buffer.from('x'));
  assert.equal(server.dropped['send queue full'], 15);
  await server.close();
});

test('the topic of a minion is the SHA-1 of its id', () => {
  assert.equal(topicOf('m1'), 'ae23b94ccaf714337e4ce5ba99ef3dc257e300df');
});
