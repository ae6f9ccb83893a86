/** Checks every entry of a folder of recorded network traffic against our wire code, byte for byte where the protocol is deterministic. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isWireMap, PyDict, PyFloat, type Wire, type WireMap } from '../../bus/values.ts';
import { Crypticle } from '../../bus/wire/crypticle.ts';
import { cleanPem, DEFAULT_ENC, DEFAULT_SIG, PrivateKey, PublicKey } from '../../bus/wire/keys.ts';
import { asBytes, asMap, isMinionId, readEnvelope, readVersion } from '../../bus/wire/loads.ts';
import { MasterSession } from '../../bus/wire/master-session.ts';
import { finishSignIn, MinionSession } from '../../bus/wire/minion-session.ts';
import { signedByMinion } from '../../bus/wire/minion-signature.ts';
import { decodeBus, decodeNetwork, encodeBus, encodeNetwork, MsgpackStream } from '../../bus/wire/payload.ts';

/** Outcome of one entry. */
export interface CaptureResult {
  /** `<file>/<number> <what>`. */
  name: string;
  ok: boolean;
  /** What differed. */
  detail?: string;
}

type Json = Record<string, unknown>;
interface Keys {
  byName: Map<string, PrivateKey>;
  master: PrivateKey;
}

/** Wire form as the captures write it: bytes that are no UTF-8 as `{"$b64": …}`, everything else as JSON. */
function asJson(v: Wire | undefined): unknown {
  if (v instanceof Uint8Array) return { $b64: Buffer.from(v).toString('base64') };
  if (v instanceof PyFloat) return v.v;
  if (Array.isArray(v)) return v.map(asJson);
  if (v instanceof PyDict) return Object.fromEntries([...v.entries()].map(([k, x]) => [String(k), asJson(x as Wire)]));
  if (isWireMap(v)) return Object.fromEntries(Object.keys(v).map((k) => [k, asJson(v[k])]));
  return typeof v === 'bigint' ? Number(v) : v;
}
/** Compares decoded content with recorded JSON (recorded numbers beyond 2^53 have lost digits on both sides alike). */
function same(got: Wire | undefined, want: unknown, what: string): void {
  assert.deepEqual(JSON.parse(JSON.stringify(asJson(got) ?? null)), want, what);
}
const b64 = (v: unknown): Buffer => Buffer.from(String(v), 'base64');
const hex = (v: Uint8Array): string => Buffer.from(v).toString('hex');
const map = (v: Wire | undefined, what: string): WireMap => {
  const m = asMap(v);
  assert.ok(m, `${what} is no map`);
  return m;
};
const bytes = (v: Wire | undefined, what: string): Uint8Array => {
  const b = asBytes(v);
  assert.ok(b, `${what} is no byte string`);
  return b;
};

/** The key pair that made a token, found by trying all of them. */
function ownerOf(tok: Uint8Array, keys: Keys): PrivateKey | undefined {
  return [...keys.byName.values()].find((k) => k.public.recoverX931(tok)?.toString() === 'salt');
}

function checkBox(f: Json, box: Uint8Array): { crypticle: Crypticle; packed: Buffer } {
  const crypticle = new Crypticle(String(f['key'] ?? f['pillar_key']));
  const plain = crypticle.plaintext(box);
  assert.ok(plain, 'the box does not open with the recorded key');
  const want = f['plaintext'] ?? f['pillar_plaintext'];
  assert.equal(hex(plain), hex(b64(want)), 'plaintext');
  const bent = Buffer.from(box);
  bent[bent.length - 1] = (bent[bent.length - 1] as number) ^ 1;
  assert.equal(crypticle.plaintext(bent), undefined, 'a changed box opens');
  const nonce = f['nonce'] as string | undefined;
  const packed = crypticle.openBytes(box, nonce);
  assert.ok(packed, 'the plaintext lacks its mark');
  return { crypticle, packed };
}

/** An encrypted request: opens, carries a good token, is taken by a master's half, and is packed by us the same way. */
function checkRequest(f: Json, envelope: WireMap, keys: Keys): void {
  const { crypticle, packed } = checkBox(f, bytes(envelope['load'], 'load'));
  const load = map(decodeNetwork(packed), 'load');
  same(load, f['load'], 'load');
  assert.equal(hex(encodeNetwork(load)), hex(packed), 'load packed again');
  let owner: PrivateKey | undefined;
  if (load['tok'] !== undefined) {
    const tok = bytes(load['tok'], 'tok');
    owner = ownerOf(tok, keys);
    assert.ok(owner, 'no recorded key made the token');
    assert.equal(hex(owner.signX931(Buffer.from('salt'))), hex(tok), 'token made again');
  }
  const read = readEnvelope(b64(f['frame']));
  assert.ok(typeof read === 'object' && read.enc === 'aes', 'no envelope');
  const session = new MasterSession({
    key: keys.master,
    minimumVersion: readVersion(envelope['version']) > 2 ? 3 : 0,
    aes: crypticle,
    minions: { publicKey: () => owner?.public, session: () => crypticle },
  });
  const opened = session.openRequest(read);
  assert.ok(opened.ok, `refused: ${opened.ok || opened.reason}`);
  const { nonce: _nonce, tok: _tok, ...rest } = f['load'] as Json;
  same(opened.load, rest, 'load handed on');
  assert.equal(opened.proven, load['tok'] !== undefined, 'proven');
}

function checkReply(f: Json, outer: Wire, keys: Keys, request: Json | undefined): void {
  const { crypticle, packed } = checkBox(f, bytes(outer, 'reply'));
  const value = decodeNetwork(packed);
  same(value, f['reply'], 'reply');
  assert.equal(hex(encodeNetwork(value)), hex(packed), 'reply packed again');
  if (f['nonce'] === undefined) return;
  assert.equal(f['nonce'], (request?.['load'] as Json | undefined)?.['nonce'] ?? f['nonce'], 'nonce of the request');
  const session = new MinionSession({
    id: 'any',
    key: keys.master,
    masterKey: keys.master.public,
    aes: crypticle.key,
  });
  const frame = b64(f['frame']);
  const got = session.open({ frame, nonce: String(f['nonce']) }, frame);
  assert.equal(got.kind, 'value');
  assert.equal(session.open({ frame, nonce: '0'.repeat(32) }, frame).kind, 'forged', 'a foreign nonce is taken');
}

function checkPublish(f: Json, envelope: WireMap, keys: Keys): void {
  const box = bytes(envelope['load'], 'load');
  const signed = envelope['sig'] !== undefined;
  if (signed) {
    const sig = bytes(envelope['sig'], 'sig');
    const algo = String(envelope['sig_algo'] ?? DEFAULT_SIG);
    assert.ok(keys.master.public.verify(box, sig, algo), 'signature');
    assert.equal(hex(keys.master.sign(box, algo)), hex(sig), 'signature made again');
  }
  if (f['key'] === undefined) return;
  const { packed } = checkBox(f, box);
  const load = decodeNetwork(packed);
  same(load, f['load'], 'load');
  assert.equal(hex(encodeNetwork(load)), hex(packed), 'load packed again');
  const session = new MinionSession({
    id: 'any',
    key: keys.master,
    masterKey: keys.master.public,
    aes: String(f['key']),
    requireSignedPublish: signed,
  });
  const frame = b64(f['frame']);
  assert.equal(session.openPublish(frame).kind, 'job');
  assert.equal(session.openPublish(frame).kind, 'replayed');
}

/** A signed sign-in reply. */
function checkSignIn(f: Json, envelope: WireMap, keys: Keys, request: Json | undefined): void {
  const packed = bytes(envelope['load'], 'load');
  const sig = bytes(envelope['sig'], 'sig');
  const asked = ((request?.['envelope'] as Json | undefined)?.['load'] ?? {}) as Json;
  const algo = String(asked['sig_algo'] ?? DEFAULT_SIG);
  assert.equal(keys.master.public.verify(packed, sig, algo), f['signature_ok'] ?? true, 'signature');
  assert.equal(hex(keys.master.sign(packed, algo)), hex(sig), 'signature made again');
  const load = map(decodeNetwork(packed), 'load');
  same(load, f['load'], 'load');
  assert.equal(hex(encodeNetwork(load)), hex(packed), 'load packed again');
  checkSignInLoad(f, load, keys, asked);
}

function checkSignInLoad(f: Json, load: WireMap, keys: Keys, asked: Json): void {
  if (asked['nonce'] !== undefined && load['nonce'] !== undefined)
    assert.equal(load['nonce'], asked['nonce'], 'nonce of the request');
  if (load['pub_key'] === undefined) return;
  assert.equal(load['pub_key'], keys.master.public.pem, 'master key');
  const minion = [...keys.byName.values()].find((k) => k.public.pem === cleanPem(String(asked['pub'])));
  assert.ok(minion, 'no recorded key for the minion');
  const algo = String(asked['enc_algo'] ?? DEFAULT_ENC);
  const open = (field: string): string | undefined =>
    minion.decrypt(bytes(load[field], field), algo)?.toString('latin1');
  const aes = open('aes') ?? '';
  if (f['aes_key'] !== undefined) assert.equal(aes, f['aes_key'], 'aes');
  if (f['session_key'] !== undefined) assert.equal(open('session'), f['session_key'], 'session');
  const digest = createHash('sha256').update(aes).digest('hex');
  if (f['x931_digest'] !== undefined) assert.equal(digest, f['x931_digest'], 'digest');
  const proof = bytes(load['sig'], 'sig');
  assert.equal(keys.master.public.recoverX931(proof)?.toString(), digest, 'proof of the AES key');
  assert.equal(hex(keys.master.signX931(Buffer.from(digest))), hex(proof), 'proof made again');
  if (load['token'] !== undefined) {
    const secret = (asked['token'] as Json)['$b64'];
    assert.deepEqual(
      minion.decrypt(bytes(load['token'], 'token'), algo),
      keys.master.decrypt(b64(secret), algo),
      'token',
    );
  }
  if (load['nonce'] === undefined) return;
  const options = {
    id: String(asked['id']),
    key: minion,
    encAlgo: algo as 'OAEP-SHA1',
    sigAlgo: String(asked['sig_algo'] ?? DEFAULT_SIG) as 'PKCS1v15-SHA1',
  };
  const outcome = finishSignIn({ frame: b64(f['frame']), nonce: String(load['nonce']) }, b64(f['frame']), options);
  assert.equal(outcome.kind, 'accepted', outcome.kind === 'untrusted' ? outcome.why : undefined);
}

function checkPillar(f: Json, outer: WireMap, keys: Keys, request: Json | undefined): void {
  const sealedKey = bytes(outer['key'], 'key');
  const owner = [...keys.byName.values()].find((k) => k.decrypt(sealedKey) !== undefined);
  assert.equal(owner?.decrypt(sealedKey)?.toString(), f['key'] ?? f['pillar_key'], 'pillar key');
  const { packed } = checkBox({ ...f, nonce: undefined }, bytes(outer['pillar'], 'pillar'));
  const value = decodeNetwork(packed);
  assert.equal(hex(encodeNetwork(value)), hex(packed), 'pillar packed again');
  if (f['signed'] === undefined) return;
  same(value, f['signed'], 'signed part');
  const signed = map(value, 'signed part');
  const data = bytes(signed['data'], 'data');
  const sig = bytes(signed['sig'], 'sig');
  assert.ok(keys.master.public.verify(data, sig), 'signature');
  assert.equal(hex(keys.master.sign(data)), hex(sig), 'signature made again');
  const content = map(decodeNetwork(data), 'content');
  same(content, f['load'], 'content');
  assert.equal(hex(encodeNetwork(content)), hex(data), 'content packed again');
  const nonce = String(content['nonce']);
  assert.equal((request?.['load'] as Json | undefined)?.['nonce'] ?? nonce, nonce, 'nonce of the request');
  const session = new MinionSession({
    id: 'any',
    key: owner as PrivateKey,
    masterKey: keys.master.public,
    aes: Crypticle.generate(),
  });
  const frame = b64(f['frame']);
  const got = session.openPillar({ frame, nonce }, frame);
  assert.ok(got.kind === 'value', got.kind);
  same(got.value, (f['load'] as Json)['pillar'], 'pillar');
  assert.equal(session.openPillar({ frame, nonce: '0'.repeat(32) }, frame).kind, 'forged', 'a foreign nonce is taken');
}

function checkFrame(f: Json, before: Json | undefined, keys: Keys): void {
  const frame = b64(f['frame']);
  if ('envelope' in f && f['envelope'] === null) {
    assert.equal(readEnvelope(frame), 'garbage');
    return;
  }
  const outer = decodeNetwork(frame);
  assert.equal(hex(encodeNetwork(outer)), hex(frame), 'frame packed again');
  if (f['envelope'] !== undefined) same(outer, f['envelope'], 'envelope');
  const envelope = asMap(outer);
  const sealed = f['key'] !== undefined || f['pillar_key'] !== undefined;
  if (f['socket'] === 'PUB/SUB') checkPublish(f, map(outer, 'publish'), keys);
  else if (sealed && envelope?.['pillar'] !== undefined) checkPillar(f, envelope, keys, before);
  else if (sealed && envelope) checkRequest(f, envelope, keys);
  else if (sealed) checkReply(f, outer, keys, before);
  else if (envelope?.['enc'] === 'clear' && envelope['sig'] !== undefined) checkSignIn(f, envelope, keys, before);
  else if (envelope?.['enc'] === 'pub') {
    same(outer, f['load'], 'load');
    checkSignInLoad(f, envelope, keys, ((before?.['envelope'] as Json | undefined)?.['load'] ?? {}) as Json);
  } else if (f['reply'] !== undefined) same(outer, f['reply'], 'reply');
  else if (envelope?.['enc'] === 'clear') {
    const read = readEnvelope(frame);
    // What a stranger may send without being answered by more than a refusal is recorded too.
    if (asMap(envelope['load'])) assert.ok(typeof read === 'object' && read.enc === 'clear', 'clear envelope');
    const id = asMap(envelope['load'])?.['id'];
    if (typeof id === 'string') assert.equal(isMinionId(id), !/[/\\\0]/.test(id), 'minion id');
  }
}

function checkFiltered(entry: Json, keys: Keys): void {
  for (const m of entry['messages'] as Json[]) {
    const parts = (m['parts'] as string[]).map(b64);
    assert.equal(parts[0]?.toString(), m['topic'], 'topic');
    const last = parts.at(-1) as Buffer;
    const outer = decodeNetwork(last);
    assert.equal(hex(encodeNetwork(outer)), hex(last), 'frame packed again');
    same(outer, m['envelope'], 'envelope');
    checkPublish({}, map(outer, 'publish'), keys);
  }
  for (const [k, v] of Object.entries(entry))
    if (k.startsWith('sha1_')) assert.equal(createHash('sha1').update(k.slice(5)).digest('hex'), v, 'topic of the id');
}

function checkEvent(entry: Json): void {
  const frame = b64(entry['ipc_pub_frame']);
  const [value, ...more] = new MsgpackStream().push(frame);
  assert.ok(value && more.length === 0 && value.length === frame.length, 'one value');
  const outer = map(decodeBus(value), 'event');
  assert.equal(hex(encodeBus(outer)), hex(frame), 'frame packed again');
  checkBody(bytes(outer['body'], 'body'), entry['tag'], entry['data']);
}

function checkBody(body: Uint8Array, tag?: unknown, data?: unknown): void {
  const cut = Buffer.from(body).indexOf('\n\n');
  const packed = body.subarray(cut + 2);
  const content = decodeBus(packed);
  assert.equal(hex(encodeBus(content)), hex(packed), 'data packed again');
  if (tag !== undefined) assert.equal(Buffer.from(body.subarray(0, cut)).toString(), tag, 'tag');
  if (data !== undefined) same(content, data, 'data');
}

function checkPushed(entry: Json): void {
  const all = b64(entry['ipc_push_stream']);
  let at = 0;
  while (at < all.length) {
    const n = all.readUInt32BE(at);
    const frame = all.subarray(at + 4, at + 4 + n);
    const outer = map(decodeBus(frame), 'event');
    assert.equal(hex(encodeBus(outer)), hex(frame), 'frame packed again');
    checkBody(bytes(outer['body'], 'body'));
    at += 4 + n;
  }
  assert.equal(at, all.length, 'the stream ends with its last frame');
}

function checkEntry(entry: Json, keys: Keys): void {
  if (entry['messages'] !== undefined) checkFiltered(entry, keys);
  else if (entry['ipc_pub_frame'] !== undefined) checkEvent(entry);
  else if (entry['ipc_push_stream'] !== undefined) checkPushed(entry);
  else checkFrames(entry, keys);
}

function checkFrames(entry: Json, keys: Keys): void {
  const frames = entry['frames'] as Json[];
  assert.ok(frames.length > 0, 'an entry without frames');
  frames.forEach((f, i) => {
    checkFrame(f, i > 0 ? frames[i - 1] : undefined, keys);
  });
  if (entry['old_aes_key'] !== undefined) {
    const outer = map(decodeNetwork(b64(frames[0]?.['frame'])), 'publish');
    const old = new Crypticle(String(entry['old_aes_key']));
    assert.equal(old.open(bytes(outer['load'], 'load')), undefined, 'the old key still opens');
  }
  if (entry['signed_bytes'] !== undefined) checkSignature(entry, frames[0] as Json, keys);
}

function checkSignature(entry: Json, f: Json, keys: Keys): void {
  const outer = map(decodeNetwork(b64(f['frame'])), 'envelope');
  const load = map(new Crypticle(String(f['key'])).open(bytes(outer['load'], 'load'))?.value, 'load');
  const signed = signedByMinion(load);
  assert.equal(hex(signed), hex(b64(entry['signed_bytes'])), 'signed bytes');
  const owner = ownerOf(bytes(load['tok'], 'tok'), keys);
  assert.equal(
    hex(owner?.sign(signed, String(outer['sig_algo'] ?? DEFAULT_SIG)) ?? Buffer.alloc(0)),
    hex(b64(entry['sig'])),
    'sig',
  );
}

/**
 * Checks all entries of every capture file (`*.json`) in a folder that also holds the traffic's `keys.json`; one result an entry,
 * and one a key pair. A file that cannot be read as a capture is a failure of its own.
 */
export function runCaptures(dir: string): CaptureResult[] {
  const out: CaptureResult[] = [];
  const run = (name: string, check: () => void): void => {
    try {
      check();
      out.push({ name, ok: true });
    } catch (e) {
      out.push({ name, ok: false, detail: e instanceof Error ? e.message : String(e) });
    }
  };
  const pairs = (
    JSON.parse(readFileSync(join(dir, 'keys.json'), 'utf8')) as { keys: Record<string, Record<string, string>> }
  ).keys;
  const byName = new Map<string, PrivateKey>();
  for (const [name, pair] of Object.entries(pairs))
    run(`keys/${name}`, () => {
      const key = PrivateKey.fromPem(pair['private'] ?? '');
      byName.set(name, key);
      assert.ok(key.public.equals(PublicKey.fromPem(pair['public'] ?? '')), 'the halves do not belong together');
      assert.equal(cleanPem(key.toPem()), cleanPem(pair['private'] ?? ''), 'private PEM written again');
      assert.equal(key.public.pem, cleanPem(pair['public'] ?? ''), 'public PEM written again');
    });
  const master = byName.get('master');
  if (!master) return [...out, { name: 'keys', ok: false, detail: 'no master key' }];
  for (const file of readdirSync(dir).sort()) {
    if (!file.endsWith('.json') || file === 'keys.json') continue;
    const stem = file.slice(0, -5);
    let entries: Json[] = [];
    run(stem, () => {
      entries = (JSON.parse(readFileSync(join(dir, file), 'utf8')) as { entries: Json[] }).entries;
      assert.ok(Array.isArray(entries) && entries.length > 0, 'no entries');
    });
    entries.forEach((e, i) => {
      run(`${stem}/${i} ${String(e['what'] ?? e['tag'])}`, () => checkEntry(e, { byName, master }));
    });
  }
  return out;
}
