import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { Log } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { MemoryNetwork } from '../../bus/transport/memory.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { fingerOfBody, type PrivateKey } from '../../bus/wire/keys.ts';
import { signPublicKey } from '../../bus/wire/master-session.ts';
import { encodeNetwork } from '../../bus/wire/payload.ts';
import { AcceptanceWait, type SignInPlace, signIn, storedMasterKey, trySignIn } from '../../minion/sign-in.ts';
import { HandMaster, keyPairs } from './hand-master.ts';

let keys: { master: PrivateKey; other: PrivateKey; minion: PrivateKey };
let dir: string;
let master: HandMaster;
let lines: string[];
let naps: number[];

before(async () => {
  keys = await keyPairs();
});
beforeEach(async () => {
  if (dir) rmSync(dir, { recursive: true, force: true });
  dir = mkdtempSync(join(tmpdir(), 'signin-'));
  master = new HandMaster(new MemoryNetwork(), keys.master);
  await master.start();
  lines = [];
  naps = [];
});
after(() => rmSync(dir, { recursive: true, force: true }));

function place(options: Record<string, Py> = {}): SignInPlace {
  const opts = new Opts(
    new PyDict<Py>(Object.entries({ id: 'm1', pki_dir: dir, auth_timeout: 0.2, auth_tries: 2, ...options })),
  );
  const client = master.net.requestClient('master', 4506);
  return {
    opts,
    log: new Log('t', (r) => lines.push(`${r.level}: ${r.message}`), 0),
    key: keys.minion,
    grains: () => new PyDict<Py>([['os', 'Debian']]),
    master: 'master',
    ask: (frame, timeout) => client.request(frame, timeout),
    sleep: async (ms) => {
      naps.push(ms);
      if (naps.length > 50) throw new Error('slept too often');
    },
  };
}
const unsigned = (ret: unknown): Uint8Array => encodeNetwork({ enc: 'clear', load: { ret } });

test('an accepted minion keeps the master’s key and gets its keys', async () => {
  const verdict = await trySignIn(place());
  assert.equal(verdict.kind, 'in');
  assert.equal(readFileSync(join(dir, 'minion_master.pub'), 'utf8'), keys.master.public.pem);
  if (verdict.kind === 'in') assert.equal(verdict.signedIn.session.version, 3);
});

test('a pending minion waits acceptance_wait_time, grows it to its maximum, and comes in when accepted', async () => {
  master.answers = ['pending', 'pending', 'pending', 'pending', 'accept'];
  await signIn(place({ acceptance_wait_time: 10, acceptance_wait_time_max: 30 }));
  assert.equal(master.signIns, 5);
  for (const [i, wanted] of [10, 20, 30, 30].entries())
    assert.ok(Math.abs((naps[i] as number) - wanted * 1000) <= wanted * 100, `wait ${i}: ${naps[i]}`);
  assert.ok(lines.some((l) => l.includes('has cached the public key for this node')));
});

test('without a maximum the wait stays as it is', () => {
  const w = new AcceptanceWait(new Opts(new PyDict<Py>([['acceptance_wait_time', 10]])), () => 0.5);
  assert.deepEqual([w.next(), w.next(), w.next()], [10_000, 10_000, 10_000]);
});

test('a rejection by the known master ends the minion, with the reference’s exit code', async () => {
  await trySignIn(place());
  master.answers = ['rejected'];
  await assert.rejects(signIn(place()), (e: { code: string; exitCode: number; message: string }) => {
    assert.equal(e.code, 'AuthenticationError');
    assert.equal(e.exitCode, 77);
    assert.match(e.message, /rejected this minion's public key/);
    return true;
  });
});

test('with rejected_retry, and from a master that is not known yet, a rejection only means trying again', async () => {
  master.answers = ['rejected', 'rejected', 'accept'];
  await signIn(place());
  assert.equal(master.signIns, 3);
  master.answers = ['rejected', 'accept'];
  await signIn(place({ rejected_retry: true }));
});

test('no answer that the master did not sign ever ends the minion', async () => {
  await trySignIn(place());
  const stranger = new HandMaster(new MemoryNetwork(), keys.other);
  const recorded: Uint8Array[] = [];
  for (const a of ['rejected', 'full', 'pending'] as const) {
    stranger.answers = [a];
    await stranger.start();
    const client = stranger.net.requestClient('master', 4506);
    await trySignIn({
      ...place({ pki_dir: join(dir, 'elsewhere') }),
      ask: async (frame, timeout) => {
        const reply = await client.request(frame, timeout);
        recorded.push(reply);
        return reply;
      },
    });
    await stranger.stop();
  }
  master.answers = [
    unsigned(false),
    unsigned('full'),
    unsigned(true),
    unsigned('bad enc algo'),
    unsigned('bad sig algo'),
    encodeNetwork('bad load'),
    encodeNetwork({ error: 'Routing error' }),
    encodeNetwork({ enc: 'clear', load: { ret: false, cluster_retry: true } }),
    Buffer.from([0xc1]),
    ...recorded,
    'silence',
    'accept',
  ];
  const wanted = master.answers.length - 1;
  await signIn(place({ auth_tries: 1 }));
  assert.ok(master.signIns >= wanted);
});

test('another master’s key is refused and changes nothing; so is a key that is not the pinned one', async () => {
  await trySignIn(place());
  master.become(keys.other);
  const verdict = await trySignIn(place());
  assert.deepEqual([verdict.kind, verdict.kind === 'fatal' && verdict.error.code], ['fatal', 'MasterKeyMismatch']);
  assert.equal(readFileSync(join(dir, 'minion_master.pub'), 'utf8'), keys.master.public.pem);
  assert.ok(lines.some((l) => l.startsWith('critical: The Salt Master server')));
  master.become(keys.master);
  const pinned = await trySignIn(place({ master_finger: fingerOfBody(keys.other.public.pem) }));
  assert.equal(pinned.kind, 'fatal');
  assert.equal(pinned.kind === 'fatal' && pinned.error.exitCode, 42);
  assert.equal((await trySignIn(place({ master_finger: fingerOfBody(keys.master.public.pem) }))).kind, 'in');
});

test('a daemon goes on trying under a false master, and comes in once the true one is back', async () => {
  await trySignIn(place());
  master.become(keys.other);
  let naps2 = 0;
  const p = place();
  await signIn({
    ...p,
    sleep: async () => {
      if (++naps2 === 3) master.become(keys.master);
    },
  });
  assert.equal(naps2, 3);
});

test('open_mode takes any master key', async () => {
  await trySignIn(place());
  master.become(keys.other);
  assert.equal((await trySignIn(place({ open_mode: true }))).kind, 'in');
  assert.ok((await storedMasterKey(dir))?.equals(keys.other.public));
});

test('a signed master key is checked with the signing key; one side without the other is refused', async () => {
  const sign = (with_: PrivateKey) =>
    Object.assign(master.session as unknown as { o: object }, {
      o: {
        ...(master.session as unknown as { o: object }).o,
        publicKeySignature: (pem: string, algo: 'PKCS1v15-SHA1') => signPublicKey(with_, pem, algo),
      },
    });
  const verifying = { verify_master_pubkey_sign: true };
  assert.match(String((await trySignIn(place(verifying)).catch((e: Error) => e)) ?? ''), /does not exist/);
  writeFileSync(join(dir, 'master_sign.pub'), keys.other.public.pem);
  assert.equal((await trySignIn(place(verifying))).kind, 'wait', 'the master did not sign');
  sign(keys.minion);
  assert.equal((await trySignIn(place(verifying))).kind, 'wait', 'signed by somebody else');
  sign(keys.other);
  assert.equal((await trySignIn(place(verifying))).kind, 'in');
  assert.equal((await trySignIn(place())).kind, 'wait', 'signed though we do not ask for it');
});

test('auth_tries tries are made of a silent master, and auth_retries ends the patience', async () => {
  master.answers = ['silence'];
  const verdict = await trySignIn(place({ auth_timeout: 0.02, auth_tries: 3 }));
  assert.equal(verdict.kind, 'wait');
  assert.equal(master.signIns, 3);
  await assert.rejects(signIn(place({ auth_timeout: 0.02, auth_tries: 1, auth_retries: 2 })), /after 2 attempts/);
});

test('the grains that autosign_grains names are sent, others are not', async () => {
  let sent: unknown;
  const p = place({ autosign_grains: ['os', 'missing'] });
  await trySignIn({
    ...p,
    ask: async (frame, timeout) => {
      const { readEnvelope } = await import('../../bus/wire/loads.ts');
      const e = readEnvelope(frame);
      if (typeof e === 'object' && e.enc === 'clear') sent = { ...(e.load['autosign_grains'] as object) };
      return p.ask(frame, timeout);
    },
  });
  assert.deepEqual(sent, { os: 'Debian' });
});

test('a key file that holds no key is an error naming it, and is not overwritten', async () => {
  writeFileSync(join(dir, 'minion_master.pub'), 'not a key');
  await assert.rejects(trySignIn(place()), /minion_master\.pub/);
  assert.equal(statSync(join(dir, 'minion_master.pub')).size, 9);
});

test('unknown algorithms in the configuration are said by name', async () => {
  await assert.rejects(trySignIn(place({ encryption_algorithm: 'OAEP-MD5' })), /OAEP-MD5/);
});
