import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Wire, WireMap } from '../../../bus/values.ts';
import { Crypticle } from '../../../bus/wire/crypticle.ts';
import { PrivateKey } from '../../../bus/wire/keys.ts';
import {
  type AesEnvelope,
  isClearCommand,
  isMinionCommand,
  isMinionId,
  readClearPublish,
  readEnvelope,
  readEvents,
  readFileRecv,
  readFileRequest,
  readMine,
  readMineGet,
  readMinionPublish,
  readPillar,
  readPublish,
  readReturn,
  readSignIn,
  readSyndicReturns,
  readVersion,
} from '../../../bus/wire/loads.ts';
import {
  MasterSession,
  type MasterSessionOptions,
  offeredKey,
  signPublicKey,
} from '../../../bus/wire/master-session.ts';
import { finishSignIn, MinionSession, type SignInOptions, startSignIn } from '../../../bus/wire/minion-session.ts';
import { minionSignature, signAsMinion } from '../../../bus/wire/minion-signature.ts';
import { decodeNetwork, encodeNetwork } from '../../../bus/wire/payload.ts';

const pairs = JSON.parse(readFileSync('test/golden/captures/keys.json', 'utf8')).keys as Record<
  string,
  { private: string }
>;
const key = (name: string): PrivateKey => PrivateKey.fromPem(pairs[name]?.private ?? '');
const master = key('master');
const m1 = key('minion_m1');
const m2 = key('minion_m2');
const stranger = key('stranger');

const session1 = new Crypticle(Crypticle.generate());
const session2 = new Crypticle(Crypticle.generate());
const minions: MasterSessionOptions['minions'] = {
  publicKey: (id) => (id === 'm1' ? m1.public : id === 'm2' ? m2.public : undefined),
  session: (id) => (id === 'm1' ? session1 : id === 'm2' ? session2 : undefined),
};
const newMaster = (o: Partial<MasterSessionOptions> = {}): MasterSession =>
  new MasterSession({ key: master, minions, publishSigning: 'PKCS1v15-SHA1', ...o });
const newMinion = (of: MasterSession, o: object = {}): MinionSession =>
  new MinionSession({
    id: 'm1',
    key: m1,
    masterKey: master.public,
    aes: of.aes.key,
    session: session1.key,
    ...o,
  });
const read = (frame: Uint8Array): AesEnvelope => {
  const e = readEnvelope(frame);
  assert.ok(typeof e === 'object' && e.enc === 'aes');
  return e;
};
const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(v));

function signIn(of: MasterSession, o: SignInOptions, verdict?: Parameters<MasterSession['signInReply']>[2]) {
  const attempt = startSignIn(o);
  const envelope = readEnvelope(attempt.frame);
  assert.ok(typeof envelope === 'object' && envelope.enc === 'clear');
  const request = readSignIn(envelope.load);
  assert.ok(request);
  const offered = offeredKey(request.pub);
  assert.ok(offered);
  const accepted = { kind: 'accepted', minionKey: offered, session: session1.key, publishPort: 4505 } as const;
  const reply = of.signInReply(request, envelope.version, verdict ?? accepted);
  return { attempt, reply, outcome: finishSignIn(attempt, reply.frame, o) };
}

test('a minion signs in, with and without a stored master key, in every scheme', () => {
  const of = newMaster();
  for (const encAlgo of ['OAEP-SHA1', 'OAEP-SHA224'] as const)
    for (const sigAlgo of ['PKCS1v15-SHA1', 'PKCS1v15-SHA224'] as const)
      for (const masterKey of [undefined, master.public]) {
        const { outcome } = signIn(of, { id: 'm1', key: m1, encAlgo, sigAlgo, masterKey });
        assert.ok(outcome.kind === 'accepted');
        assert.equal(outcome.aes, of.aes.key);
        assert.equal(outcome.session, session1.key);
        assert.equal(outcome.publishPort, 4505);
        assert.ok(outcome.masterKey.equals(master.public));
      }
});

test('pending, rejected and full are told apart, and whether the known master said so', () => {
  const of = newMaster();
  for (const kind of ['pending', 'rejected', 'full'] as const) {
    assert.deepEqual(signIn(of, { id: 'm1', key: m1 }, { kind }).outcome, { kind, verified: false });
    assert.deepEqual(signIn(of, { id: 'm1', key: m1, masterKey: master.public }, { kind }).outcome, {
      kind,
      verified: true,
    });
  }
});

test('another master is noticed, whatever it answers', () => {
  const false1 = newMaster({ key: stranger });
  const known = { id: 'm1', key: m1, masterKey: master.public };
  assert.equal(signIn(false1, known).outcome.kind, 'key mismatch');
  for (const kind of ['pending', 'rejected', 'full'] as const)
    assert.equal(signIn(false1, known, { kind }).outcome.kind, 'untrusted');
  const open = signIn(false1, { ...known, openMode: true }).outcome;
  assert.ok(open.kind === 'accepted' && open.masterKey.equals(stranger.public));
});

test('a pinned fingerprint admits its own master only', () => {
  const of = newMaster();
  const right = master.public.fingerprint('sha256');
  assert.equal(signIn(of, { id: 'm1', key: m1, masterFinger: right }).outcome.kind, 'accepted');
  assert.equal(
    signIn(of, { id: 'm1', key: m1, masterFinger: right.replace(/^../, '00') }).outcome.kind,
    'finger mismatch',
  );
});

test('a signing key vouches for a new master key, and one side without the other is an error', () => {
  const signing = m2;
  const signed = newMaster({ publicKeySignature: (pem, algo) => signPublicKey(signing, pem, algo) });
  const base = { id: 'm1', key: m1, masterKey: stranger.public };
  const moved = signIn(signed, { ...base, masterSignKey: signing.public }).outcome;
  assert.ok(moved.kind === 'accepted' && moved.masterKey.equals(master.public));
  assert.equal(signIn(signed, { ...base, masterSignKey: stranger.public }).outcome.kind, 'bad master signature');
  assert.equal(signIn(signed, { id: 'm1', key: m1 }).outcome.kind, 'bad master signature');
  assert.equal(signIn(newMaster(), { ...base, masterSignKey: signing.public }).outcome.kind, 'bad master signature');
});

test('a forged, replayed or altered sign-in answer is never trusted', () => {
  const of = newMaster();
  const o = { id: 'm1', key: m1, masterKey: master.public };
  const { reply, attempt } = signIn(of, o);
  const other = startSignIn(o);
  assert.equal(finishSignIn(other, reply.frame, o).kind, 'untrusted', 'an old answer');
  for (const text of [
    'bad load',
    'Some exception handling minion payload',
    '',
    null,
    7,
    [],
    { error: 'Routing error' },
  ])
    assert.equal(finishSignIn(attempt, encodeNetwork(text), o).kind, 'untrusted');
  assert.equal(finishSignIn(attempt, encodeNetwork({ enc: 'clear', load: { ret: false } }), o).kind, 'untrusted');
  assert.deepEqual(finishSignIn(attempt, encodeNetwork({ enc: 'clear', load: { ret: 'bad enc algo' } }), o), {
    kind: 'bad algorithm',
    which: 'enc',
  });
  fc.assert(
    fc.property(fc.nat(reply.frame.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bent = Buffer.from(reply.frame);
      bent[at] = (bent[at] as number) ^ flip;
      const kind = finishSignIn(attempt, bent, o).kind;
      assert.ok(kind === 'untrusted' || kind === 'key mismatch' || kind === 'bad master signature', `${kind} at ${at}`);
    }),
    { numRuns: 300 },
  );
});

test('a sign-in of an unknown scheme is answered unsigned, an unreadable secret is left out', () => {
  const of = newMaster();
  const request = { id: 'm1', pub: m1.public.pem, nonce: 'n'.repeat(32), encAlgo: 'x', sigAlgo: 'PKCS1v15-SHA1' };
  const accepted = { kind: 'accepted', minionKey: m1.public, session: session1.key, publishPort: 4505 } as const;
  const text = (r: { frame: Buffer }): unknown => plain(decodeNetwork(r.frame));
  assert.deepEqual(text(of.signInReply(request, 3, accepted)), { enc: 'clear', load: { ret: 'bad enc algo' } });
  const noSig = { ...request, encAlgo: 'OAEP-SHA1', sigAlgo: 'y' };
  assert.deepEqual(text(of.signInReply(noSig, 3, { kind: 'pending' })), {
    enc: 'clear',
    load: { ret: 'bad sig algo' },
  });
  const stale = { ...request, encAlgo: 'OAEP-SHA1', token: stranger.public.encrypt('x') };
  const reply = of.signInReply(stale, 3, accepted);
  assert.equal(reply.tokenFailed, true);
  const signed = (decodeNetwork(reply.frame) as WireMap)['load'] as Uint8Array;
  assert.deepEqual(Object.keys(decodeNetwork(signed) as WireMap), [
    'enc',
    'pub_key',
    'publish_port',
    'aes',
    'session',
    'sig',
    'nonce',
  ]);
});

test('a request and its reply, both ways', () => {
  const of = newMaster();
  const minion = newMinion(of);
  const request = minion.seal({ cmd: '_file_envs' });
  const opened = of.openRequest(read(request.frame));
  assert.ok(opened.ok);
  assert.equal(opened.id, 'm1');
  assert.equal(opened.proven, true);
  assert.deepEqual(Object.keys(opened.load), ['cmd', 'ts', 'id']);
  const reply = of.sealReply(opened, ['base']);
  assert.deepEqual(minion.open(request, reply), { kind: 'value', value: ['base'] });
  const next = minion.seal({ cmd: '_file_envs' });
  assert.equal(minion.open(next, reply).kind, 'forged');
  assert.deepEqual(minion.open(next, encodeNetwork('bad load')), { kind: 'stale', why: 'bad load' });
  assert.equal(minion.open(next, Buffer.from([0xc1])).kind, 'stale');
  assert.deepEqual(minion.open(next, encodeNetwork({ error: 'x' })), { kind: 'error', error: 'x' });
});

test('nobody speaks for another minion', () => {
  const of = newMaster();
  const sealed = (envelope: object, load: object, box = session1): AesEnvelope =>
    read(encodeNetwork({ enc: 'aes', load: box.seal(load), version: 3, id: 'm1', ...envelope }));
  const tok = m1.signX931(Buffer.from('salt'));
  const good = { cmd: '_return', id: 'm1', tok, ts: 1, nonce: 'n'.repeat(32) };
  const reason = (e: AesEnvelope, m = of): string => {
    const r = m.openRequest(e);
    return r.ok ? 'opened' : r.reason;
  };
  assert.equal(reason(sealed({}, good)), 'opened');
  assert.equal(reason(sealed({}, { ...good, id: 'm2' })), 'id mismatch');
  assert.equal(reason(sealed({ id: 'm2' }, { ...good, id: 'm2' })), 'undecryptable');
  assert.equal(reason(sealed({ id: 'm2' }, { ...good, id: 'm2' }, session2)), 'bad token');
  assert.equal(reason(sealed({}, { ...good, tok: undefined })), 'no token');
  assert.equal(reason(sealed({}, { ...good, tok: '' })), 'bad token');
  assert.equal(reason(sealed({}, { ...good, tok: 7 })), 'bad token');
  assert.equal(reason(sealed({}, { ...good, tok: m2.signX931(Buffer.from('salt')) })), 'bad token');
  assert.equal(reason(sealed({}, { ...good, tok: m1.signX931(Buffer.from('sand')) })), 'bad token');
  assert.equal(reason(sealed({ id: 'nobody' }, { ...good, id: 'nobody' })), 'unknown id');
  assert.equal(reason(sealed({ id: undefined }, good)), 'no id');
  assert.equal(reason(sealed({}, [1])), 'no map');
  assert.equal(reason({ ...sealed({}, good), load: Buffer.alloc(96) }), 'undecryptable');
  const strict = newMaster({ requestTtl: 60, clock: () => 1000 });
  assert.equal(reason(sealed({}, { ...good, ts: 939 }), strict), 'expired');
  assert.equal(reason(sealed({}, { ...good, ts: 'x' }), strict), 'expired');
  assert.equal(reason(sealed({}, { ...good, ts: 941 }), strict), 'opened');
  assert.equal(
    reason(sealed({}, { ...good, tok: new Uint8Array(256) })),
    'bad token',
    'after a good one was remembered',
  );
});

test('old request formats pass only where the operator lowered the limit', () => {
  const strict = newMaster();
  const lax = newMaster({ minimumVersion: 0, aes: strict.aes });
  const tok = m1.signX931(Buffer.from('salt'));
  for (const version of [undefined, 0, 1, 2, -1, '1', [3], '3.5', null]) {
    const nonce = 'n'.repeat(32);
    const frame = encodeNetwork({ enc: 'aes', load: strict.aes.seal({ cmd: 'x', id: 'm1', tok, nonce }), version });
    const refused = strict.openRequest(read(frame));
    assert.equal(refused.ok || refused.reason, 'old version', String(version));
    const opened = lax.openRequest(read(frame));
    assert.ok(opened.ok && opened.proven, String(version));
    assert.equal(opened.nonce, version === 2 ? nonce : undefined);
    const reply = decodeNetwork(lax.sealReply(opened, 1)) as Uint8Array;
    assert.deepEqual(lax.aes.open(reply, { nonce: opened.nonce }), { value: 1 });
  }
  const bare = encodeNetwork({ enc: 'aes', load: strict.aes.seal({ cmd: 'x', id: 'm1' }), version: 2 });
  const opened = lax.openRequest(read(bare));
  assert.ok(opened.ok && !opened.proven);
  for (const version of [3, 4, '3', 2n ** 63n]) {
    const frame = encodeNetwork({ enc: 'aes', load: session1.seal({ cmd: 'x', id: 'm1', tok }), version, id: 'm1' });
    assert.ok(strict.openRequest(read(frame)).ok, String(version));
  }
  assert.ok(!strict.acceptsVersion(2) && strict.acceptsVersion(3) && lax.acceptsVersion(0));
});

test('an old minion gets its unsigned answers', () => {
  const of = newMaster({ minimumVersion: 0 });
  const request = { id: 'm1', pub: m1.public.pem, nonce: '', encAlgo: 'OAEP-SHA1', sigAlgo: 'PKCS1v15-SHA1' };
  const accepted = { kind: 'accepted', minionKey: m1.public, session: session1.key, publishPort: 4505 } as const;
  const map = decodeNetwork(of.signInReply(request, 1, accepted).frame) as WireMap;
  assert.deepEqual(Object.keys(map), ['enc', 'pub_key', 'publish_port', 'aes', 'session', 'sig']);
  assert.deepEqual(plain(decodeNetwork(of.signInReply(request, 0, { kind: 'pending' }).frame)), {
    enc: 'clear',
    load: { ret: true },
  });
});

test('a master without session keys is spoken to in version 2', () => {
  const of = newMaster({ minimumVersion: 0 });
  const minion = newMinion(of, { session: undefined });
  assert.equal(minion.version, 2);
  const request = minion.seal({ cmd: '_file_envs' });
  const opened = of.openRequest(read(request.frame));
  assert.ok(opened.ok && opened.proven);
  assert.deepEqual(minion.open(request, of.sealReply(opened, 5)), { kind: 'value', value: 5 });
});

test('pillar comes from the master, for this minion and this request', () => {
  const of = newMaster();
  const minion = newMinion(of);
  const request = minion.seal({ cmd: '_pillar', id: 'm1', grains: {} });
  const opened = of.openRequest(read(request.frame));
  assert.ok(opened.ok);
  const reply = of.pillarReply(opened, { secret: 'x' });
  assert.deepEqual(plain(minion.openPillar(request, reply)), { kind: 'value', value: { secret: 'x' } });
  assert.equal(minion.openPillar(minion.seal({}), reply).kind, 'forged', 'a replay');
  assert.equal(
    newMinion(of, { masterKey: stranger.public }).openPillar(request, reply).kind,
    'forged',
    'another master',
  );
  assert.equal(newMinion(of, { key: m2 }).openPillar(request, reply).kind, 'stale', 'for another minion');
  const swapped = decodeNetwork(reply) as WireMap;
  const other = decodeNetwork(of.pillarReply(opened, {})) as WireMap;
  const mixed = encodeNetwork({ key: swapped['key'], pillar: other['pillar'] });
  assert.equal(minion.openPillar(request, mixed).kind, 'forged');
  assert.equal(minion.openPillar(request, encodeNetwork('bad load')).kind, 'stale');
  assert.equal(
    minion.openPillar(request, of.sealReply(opened, {})).kind,
    'value',
    'an ordinary reply of pillar_version 1',
  );
  assert.deepEqual(plain(minion.openPillar(request, of.pillarReply(opened, false))), { kind: 'value', value: {} });
  const noNonce = of.pillarReply({ ...opened, nonce: undefined }, {});
  assert.equal(minion.openPillar(request, noNonce).kind, 'error');
});

const job = {
  fun: 'test.ping',
  arg: [],
  tgt: '*',
  jid: '20300101000000000000',
  ret: '',
  tgt_type: 'glob',
  user: 'root',
};

test('a publish is opened once, and its signature is checked where it is asked for', () => {
  const of = newMaster();
  const minion = newMinion(of, { requireSignedPublish: true });
  const one = of.publish(job);
  const first = minion.openPublish(one);
  assert.ok(first.kind === 'job');
  assert.deepEqual(plain(first.load), { ...job, serial: 1 });
  assert.deepEqual(minion.openPublish(one), { kind: 'replayed', serial: 1 });
  const skipped = of.publish(job);
  assert.equal(minion.openPublish(of.publish(job)).kind, 'job');
  assert.equal(minion.openPublish(skipped).kind, 'replayed');
  const unsigned = newMaster({ publishSigning: undefined, aes: of.aes }).publish(job);
  assert.equal(minion.openPublish(unsigned).kind, 'unsigned');
  assert.equal(newMinion(of).openPublish(unsigned).kind, 'job');
  const forged = newMaster({ key: stranger, aes: of.aes }).publish(job);
  assert.equal(minion.openPublish(forged).kind, 'bad signature');
  for (const junk of [Buffer.alloc(0), encodeNetwork('x'), encodeNetwork({ enc: 'aes' }), Buffer.from([0xc1])])
    assert.equal(minion.openPublish(junk).kind, 'malformed');
  assert.equal(
    newMinion(of).openPublish(encodeNetwork({ enc: 'aes', load: of.aes.seal({ fun: 1 }) })).kind,
    'malformed',
  );
});

test('after a rotation the same frame opens with the new key', () => {
  const of = newMaster();
  const minion = newMinion(of);
  minion.openPublish(of.publish(job));
  of.rotate();
  const frame = of.publish(job);
  assert.equal(of.serial, 1);
  assert.equal(minion.openPublish(frame).kind, 'stale');
  const { outcome } = signIn(of, { id: 'm1', key: m1, masterKey: master.public });
  assert.ok(outcome.kind === 'accepted');
  assert.equal(newMinion(of, { aes: outcome.aes }).openPublish(frame).kind, 'job');
});

test('a minion that signs its loads is believed, an altered load is not', () => {
  const of = newMaster();
  const minion = newMinion(of, { sign: true });
  const big = {
    cmd: '_return',
    id: 'm1',
    jid: '1',
    return: { text: 'ä'.repeat(40), bytes: Buffer.from([255, 0]), n: 2n ** 70n },
  };
  const opened = of.openRequest(read(minion.seal(big).frame));
  assert.ok(opened.ok);
  assert.equal(minionSignature(opened.load, m1.public, 'PKCS1v15-SHA1'), 'good');
  assert.equal(minionSignature(opened.load, m2.public, 'PKCS1v15-SHA1'), 'bad');
  assert.equal(minionSignature({ ...opened.load, jid: '2' }, m1.public, 'PKCS1v15-SHA1'), 'bad');
  assert.equal(minionSignature({ ...opened.load, sig: 5 }, m1.public, 'PKCS1v15-SHA1'), 'bad');
  assert.equal(minionSignature({ a: 1 }, m1.public, 'PKCS1v15-SHA1'), 'absent');
  assert.ok(signAsMinion({ a: 1 }, m1).length === 256);
});

test('ids and versions are read as the protocol says', () => {
  for (const bad of [
    '',
    '.',
    '..',
    'a/b',
    '../x',
    'a\\b',
    'a\0',
    'a\n',
    'x'.repeat(256),
    5,
    null,
    undefined,
    ['m1'],
    {},
  ])
    assert.ok(!isMinionId(bad), String(bad));
  for (const good of ['m1', 'web.example.com', 'a b', 'ünï', '...', 'x'.repeat(255), '__proto__'])
    assert.ok(isMinionId(good), good);
  const versions: [Wire | undefined, number][] = [
    [undefined, 0],
    [null, 0],
    [0, 0],
    [1, 1],
    [2, 2],
    [3, 3],
    [-1, -1],
    ['3', 3],
    ['x', 0],
    ['', 0],
    [[3], 0],
    [{}, 0],
    [true, 1],
    [false, 0],
    [2n ** 63n, Number.MAX_SAFE_INTEGER],
    [-(2n ** 63n), Number.MIN_SAFE_INTEGER],
  ];
  for (const [v, want] of versions) assert.equal(readVersion(v), want);
});

test('only names of the protocol reach a handler', () => {
  for (const cmd of ['_return', '_pillar', 'pub_ret']) assert.ok(isMinionCommand(cmd) && !isClearCommand(cmd));
  for (const cmd of ['publish', 'wheel', 'ping', '_auth']) assert.ok(isClearCommand(cmd) && !isMinionCommand(cmd));
  for (const cmd of ['_prep_auth_info', '_send_pub', '__init__', 'constructor', '__proto__', '', null, ['publish'], 7])
    assert.ok(!isClearCommand(cmd) && !isMinionCommand(cmd), String(cmd));
});

test('readers of loads take nothing that is not what it claims', () => {
  assert.equal(readReturn({ id: 'm1', jid: '1' }), undefined);
  assert.equal(readReturn({ id: '../x', jid: '1', return: 1 }), undefined);
  assert.ok(readReturn({ id: 'm1', jid: '1', return: null }));
  assert.equal(readPublish({ fun: 7, jid: '1', tgt: '*' }), undefined);
  assert.equal(readPublish({ fun: ['a', 'b'], jid: '1', tgt: '*', arg: [[], []] })?.tgt_type, 'glob');
  assert.deepEqual(
    readEvents({ events: [{ tag: 'a', data: { x: 1 } }, { tag: 'b', y: 2 }, 'junk', { data: {} }] })?.events,
    [
      { tag: 'a', data: { x: 1 } },
      { tag: 'b', data: { tag: 'b', y: 2 } },
    ],
  );
  assert.deepEqual(readEvents({ tag: 'a', data: {}, pretag: 'p' }), { pretag: 'p', tag: 'a' });
  assert.equal(readEvents({ tag: 5, data: {} }), undefined);
  for (const path of [['..', 'x'], ['a/b'], ['/etc'], [''], [], 'x', ['a\0'], ['a\\b'], [5]])
    assert.equal(readFileRecv({ id: 'm1', path, loc: 0, size: 1, data: 'x' }), undefined, String(path));
  assert.ok(readFileRecv({ id: 'm1', path: ['a', 'b'], loc: 0, size: 1, data: 'x' }));
  assert.equal(readFileRecv({ id: 'm1', path: ['a'], loc: -1, size: 1, data: 'x' }), undefined);
  assert.equal(readFileRequest({ path: 'x', saltenv: ['base'] }), undefined);
  assert.deepEqual(readFileRequest({ path: 'x', loc: 5, gzip: 99 }), {
    saltenv: 'base',
    path: 'x',
    prefix: '',
    loc: 5,
    gzip: undefined,
  });
  const syndic = readSyndicReturns({
    load: [
      { id: 's', jid: '1', return: { m1: { return: 1, retcode: 0, success: true }, '../x': { return: 2 } } },
      'junk',
    ],
  });
  assert.equal(syndic.refused, 2);
  assert.deepEqual(syndic.returns[0]?.return, [{ minion: 'm1', return: 1, retcode: 0, success: true }]);
  assert.equal(readSignIn({ id: 'm1' }), undefined);
});

test('whatever arrives, reading it ends in a value or a refusal', () => {
  const of = newMaster({ minimumVersion: 0 });
  const minion = newMinion(of);
  const request = minion.seal({ cmd: 'x' });
  const anything = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.boolean(),
      fc.uint8Array({ maxLength: 100 }),
      fc.array(tie('node'), { maxLength: 4 }),
      fc.dictionary(
        fc.constantFrom(
          ...[
            'enc',
            'load',
            'sig',
            'id',
            'tok',
            'nonce',
            'version',
            'cmd',
            'pub_key',
            'aes',
            'session',
            'key',
            'pillar',
          ],
          ...[
            'ret',
            'return',
            'jid',
            'fun',
            'tgt',
            'arg',
            'events',
            'tag',
            'data',
            'path',
            'grains',
            'pub',
            'token',
            'size',
          ],
        ),
        fc.oneof(tie('node'), fc.constantFrom('aes', 'clear', 'm1', 3, 'test.ping', '*')),
        { maxKeys: 12 },
      ),
    ),
  })).node as fc.Arbitrary<Wire>;
  const readers = [
    readSignIn,
    readPublish,
    readReturn,
    readEvents,
    readPillar,
    readFileRequest,
    readFileRecv,
    readMine,
    readMineGet,
    readMinionPublish,
    readClearPublish,
    readSyndicReturns,
  ];
  const o = { id: 'm1', key: m1 };
  const attempt = startSignIn(o);
  fc.assert(
    fc.property(anything, (v) => {
      const frame = encodeNetwork(v);
      const e = readEnvelope(frame);
      if (typeof e === 'object' && e.enc === 'aes') assert.ok(!of.openRequest(e).ok);
      if (typeof e === 'object' && e.enc === 'clear') for (const r of readers) r(e.load);
      const sealed = of.openRequest(read(encodeNetwork({ enc: 'aes', load: of.aes.seal(v), version: 2 })));
      if (sealed.ok) for (const r of readers) r(sealed.load);
      assert.ok(minion.open(request, frame).kind !== 'value');
      assert.ok(minion.openPillar(request, frame).kind !== 'value');
      assert.ok(minion.openPublish(frame).kind !== 'job');
      minion.openPublish(encodeNetwork({ enc: 'aes', load: of.aes.seal(v) }));
      const kind = finishSignIn(attempt, frame, o).kind;
      assert.ok(kind === 'untrusted' || kind === 'bad algorithm', kind);
      const inner = finishSignIn(
        attempt,
        encodeNetwork({ enc: 'clear', load: frame, sig: master.sign(frame) }),
        o,
      ).kind;
      assert.ok(inner === 'untrusted' || inner === 'bad master signature', inner);
    }),
    { numRuns: 1000 },
  );
});
