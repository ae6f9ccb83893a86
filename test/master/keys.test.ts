import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { AutoSign } from '../../master/autosign.ts';
import { PkiKeys } from '../../master/keys.ts';

const dirs: string[] = [];
const fresh = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'keys-'));
  dirs.push(dir);
  return dir;
};
after(() => {
  for (const d of dirs) rmSync(d, { recursive: true, force: true });
});
const store = (): PkiKeys => {
  const keys = new PkiKeys(join(fresh(), 'pki'));
  keys.prepare();
  return keys;
};

test('a key lives in one state at a time and moves between them', () => {
  const keys = store();
  keys.put('web1', 'minions_pre', 'PEM-A');
  assert.deepEqual(keys.current('web1'), { state: 'minions_pre', pem: 'PEM-A' });
  assert.equal(keys.accept('web1', ['minions_pre']), true);
  assert.equal(keys.get('web1', 'minions'), 'PEM-A');
  assert.equal(keys.get('web1', 'minions_pre'), undefined);
  assert.equal(keys.accept('web1', ['minions_pre']), false);
  assert.equal(keys.reject('web1', ['minions']), true);
  assert.deepEqual(keys.list().minions_rejected, ['web1']);
  assert.equal(keys.delete('web1'), true);
  assert.equal(keys.current('web1'), undefined);
  assert.equal(keys.delete('web1'), false);
});

test('a denied key lies beside the good one and is kept once', () => {
  const keys = store();
  keys.put('db', 'minions', 'GOOD');
  assert.equal(keys.deny('db', 'EVIL'), true);
  assert.equal(keys.deny('db', 'EVIL\n'), false);
  assert.equal(keys.get('db', 'minions'), 'GOOD');
  assert.deepEqual(keys.list().minions_denied, ['db']);
});

test('globs and comma lists pick keys in every state', () => {
  const keys = store();
  keys.put('web1', 'minions', 'a');
  keys.put('web2', 'minions_pre', 'b');
  keys.put('db', 'minions_rejected', 'c');
  assert.deepEqual(keys.match('web*').minions, ['web1']);
  assert.deepEqual(keys.match('web?').minions_pre, ['web2']);
  assert.deepEqual(keys.match('web1,db').minions_rejected, ['db']);
  assert.deepEqual(keys.match('nothing').minions, []);
});

test('an id that leads out of its folder never reaches a path', () => {
  const keys = store();
  for (const id of ['../x', '..', '.', 'a/b', 'a\\b', 'a\0b', '', 'x'.repeat(300)]) {
    assert.throws(() => keys.put(id, 'minions', 'PEM'), /not a valid minion_id/);
    assert.throws(() => keys.get(id, 'minions'), /not a valid minion_id/);
  }
});

test('a link in the key folder is no key', () => {
  const keys = store();
  const secret = join(fresh(), 'secret');
  writeFileSync(secret, 'SECRET');
  symlinkSync(secret, join(keys.dir, 'minions', 'sly'));
  assert.equal(keys.get('sly', 'minions'), undefined);
  assert.deepEqual(keys.list().minions, []);
});

test('key files belong to their owner alone', () => {
  const keys = store();
  const old = process.umask(0);
  try {
    keys.put('web1', 'minions', 'PEM');
  } finally {
    process.umask(old);
  }
  assert.equal(statSync(join(keys.dir, 'minions', 'web1')).mode & 0o777, 0o600);
  assert.equal(statSync(join(keys.dir, 'minions')).mode & 0o777, 0o700);
});

test('a key that somebody else deletes is forgotten', async () => {
  const keys = store();
  const seen: string[] = [];
  keys.watch((id) => seen.push(id));
  try {
    keys.put('web1', 'minions', 'PEM');
    assert.equal(keys.get('web1', 'minions'), 'PEM');
    assert.deepEqual(keys.acceptedIds(), ['web1']);
    rmSync(join(keys.dir, 'minions', 'web1'));
    for (let i = 0; i < 200 && keys.get('web1', 'minions') !== undefined; i++)
      await new Promise((r) => setTimeout(r, 5));
    assert.equal(keys.get('web1', 'minions'), undefined);
    assert.deepEqual(keys.acceptedIds(), []);
    assert.ok(seen.includes('web1'));
  } finally {
    keys.close();
  }
});

const signer = (files: Record<string, string>, more: Record<string, unknown> = {}): { sign: AutoSign; dir: string } => {
  const dir = fresh();
  const opts = new Opts();
  opts.set('pki_dir', dir);
  for (const [key, text] of Object.entries(files)) {
    const path = join(dir, key);
    writeFileSync(path, text, { mode: 0o600 });
    opts.set(key, path);
  }
  for (const [k, v] of Object.entries(more)) opts.set(k, v as never);
  return { sign: new AutoSign(opts, quietLog), dir };
};

test('autosign_file takes names, globs, expressions and comments', () => {
  const { sign } = signer({ autosign_file: '# comment\nexact\nweb*\ndb\\d+\n' });
  assert.ok(sign.accepts('exact', undefined));
  assert.ok(sign.accepts('web7', undefined));
  assert.ok(sign.accepts('db12', undefined));
  assert.ok(!sign.accepts('db', undefined));
  assert.ok(!sign.accepts('xdb12', undefined));
  assert.ok(!sign.accepts('# comment', undefined));
  assert.ok(!sign.accepts('other', undefined));
});

test('autoreject_file rejects, and a changed file counts at once', async () => {
  const { sign, dir } = signer({ autoreject_file: 'bad*\n' });
  assert.ok(sign.rejects('bad1'));
  assert.ok(!sign.rejects('good'));
  await new Promise((r) => setTimeout(r, 10));
  writeFileSync(join(dir, 'autoreject_file'), 'good\n');
  assert.ok(sign.rejects('good'));
});

test('an autosign file that others may write is ignored', () => {
  const { sign, dir } = signer({ autosign_file: 'web*\n' });
  chmodSync(join(dir, 'autosign_file'), 0o602);
  assert.ok(!sign.accepts('web1', undefined));
  chmodSync(join(dir, 'autosign_file'), 0o620);
  assert.ok(!sign.accepts('web1', undefined));
  const permissive = signer({ autosign_file: 'web*\n' }, { permissive_pki_access: true });
  chmodSync(join(permissive.dir, 'autosign_file'), 0o620);
  assert.ok(permissive.sign.accepts('web1', undefined));
});

test('a one-time autosign file is used up', () => {
  const keys = store();
  const opts = new Opts();
  opts.set('pki_dir', keys.dir);
  const sign = new AutoSign(opts, quietLog);
  writeFileSync(join(keys.dir, 'minions_autosign', 'once'), '');
  assert.ok(sign.accepts('once', undefined));
  assert.ok(!sign.accepts('once', undefined));
});

test('autosign by grains wants the exact value of a grain', () => {
  const dir = fresh();
  writeFileSync(join(dir, 'uuid'), '# allowed\nabc\n', { mode: 0o600 });
  const { sign } = signer({}, { autosign_grains_dir: dir });
  assert.ok(sign.accepts('m', { uuid: 'abc' }));
  assert.ok(!sign.accepts('m', { uuid: 'ab' }));
  assert.ok(!sign.accepts('m', { other: 'abc' }));
  assert.ok(!sign.accepts('m', undefined));
});

test('a fingerprint covers the clean text of a key', () => {
  const keys = store();
  const pem = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----';
  assert.equal(keys.finger(pem), keys.finger(`${pem}\r\n`.replaceAll('\n', '\r\n')));
  assert.match(keys.finger(pem), /^([0-9a-f]{2}:){31}[0-9a-f]{2}$/);
  assert.equal(keys.finger(pem, 'md5').length, 47);
});
