import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Py, toPy, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import data from '../../../minion/modules/data.ts';
import key from '../../../minion/modules/key.ts';
import match from '../../../minion/modules/match.ts';
import pillar from '../../../minion/modules/pillar.ts';
import { type Setting, smallMinion } from './small-minion.ts';

const PILLAR = { app: { port: 8080, hosts: ['h1', 'h2'], deep: { er: true } }, role: 'web', none: null };
function minion(setting: Setting = {}) {
  const m = smallMinion(
    { pillar, match, key, data },
    { grains: { os: 'Debian', ipv4: ['10.1.2.3'] }, pillar: PILLAR, ...setting, opts: { id: 'web1', ...setting.opts } },
  );
  return {
    m,
    answer: (name: string, args: Wire[] = [], kw: WireMap = {}): Wire => toWire(m.call(name, args, kw) as Py),
  };
}

test('a value is found by its path, or the default is', () => {
  const { answer } = minion();
  for (const [path, want] of [
    ['app:port', 8080],
    ['app:hosts:1', 'h2'],
    ['none', null],
    ['no:such', ''],
  ] as const)
    assert.deepEqual(answer('pillar.get', [path]), want, path);
  assert.equal(answer('pillar.get', ['app/port'], { delimiter: '/' }), 8080);
  assert.equal(answer('pillar.fetch', ['zz', 'd']), 'd');
  assert.throws(() => minion({ opts: { pillar_raise_on_missing: true } }).answer('pillar.get', ['zz']), {
    name: 'KeyError',
    message: "'Pillar key not found: zz'",
  });
});

test('a value is merged into a default that is a dict or a list', () => {
  const { answer, m } = minion();
  assert.deepEqual(answer('pillar.get', ['app:deep', { er: false, x: 1 }], { merge: true }), { er: true, x: 1 });
  assert.deepEqual(answer('pillar.get', ['app:hosts', ['h0', 'h1']], { merge: true }), ['h0', 'h1', 'h2']);
  assert.deepEqual(answer('pillar.get', ['app', { hosts: ['h0'] }], { merge: true, merge_nested_lists: true }), {
    hosts: ['h0', 'h1', 'h2'],
    port: 8080,
    deep: { er: true },
  });
  assert.equal(answer('pillar.get', ['role', { a: 1 }], { merge: true }), 'web');
  assert.ok(m.lines.some((l) => l.includes("is of type 'str'. Merge will be skipped.")));
  assert.deepEqual(answer('pillar.get', ['app:hosts']), ['h1', 'h2']);
});

test('items, raw, ls, keys and obfuscate', () => {
  const { answer } = minion();
  assert.deepEqual(answer('pillar.items'), PILLAR);
  assert.deepEqual(answer('pillar.items', ['role']), { role: 'web' });
  assert.deepEqual(answer('pillar.items', [], { pillar: { role: 'db' } }), { ...PILLAR, role: 'db' });
  assert.deepEqual(answer('pillar.item', ['app:port', 'zz'], { default: 'd' }), { 'app:port': 8080, zz: 'd' });
  assert.deepEqual(answer('pillar.raw', ['app']), PILLAR.app);
  assert.deepEqual(answer('pillar.ls'), ['app', 'role', 'none']);
  assert.deepEqual(answer('pillar.keys', ['app']), ['port', 'hosts', 'deep']);
  assert.throws(() => answer('pillar.keys', ['role']), {
    name: 'ValueError',
    message: 'Pillar value in key role is not a dict',
  });
  assert.deepEqual(answer('pillar.obfuscate'), {
    app: { port: '<int>', hosts: ['<str>', '<str>'], deep: { er: '<bool>' } },
    role: '<str>',
    none: '<NoneType>',
  });
  assert.deepEqual(answer('pillar.filter_by', [{ 'we*': 1, default: 2 }, 'role']), 1);
});

test('the master compiles the pillar of other environments and with other values', () => {
  const asked: WireMap[] = [];
  const { answer } = minion({
    master: (cmd, load) => {
      assert.equal(cmd, '_pillar');
      asked.push(load);
      return toPy({ from: 'master' });
    },
  });
  assert.deepEqual(answer('pillar.items', [], { pillar: { a: 1 }, pillarenv: 'dev' }), { from: 'master' });
  assert.equal(answer('pillar.get', ['from'], { saltenv: 'dev' }), 'master');
  assert.deepEqual(answer('pillar.ext', ['{cmd_json: cat x}']), { from: 'master' });
  assert.deepEqual(
    [asked[0]!['pillar_override'], asked[0]!['pillarenv'], asked[1]!['saltenv'], asked[2]!['ext']],
    [{ a: 1 }, 'dev', 'dev', { cmd_json: 'cat x' }],
  );
  assert.equal(asked.length, 3);
  assert.deepEqual(answer('pillar.raw'), PILLAR);
});

test('this minion is matched by every kind of target', () => {
  const { answer } = minion();
  for (const [fun, args, want] of [
    ['glob', ['web*'], true],
    ['glob', ['web*', 'db1'], false],
    ['pcre', ['web\\d'], true],
    ['list', ['db1,web1'], true],
    ['grain', ['os:Deb*'], true],
    ['grain_pcre', ['os:(Red|Deb).*'], true],
    ['pillar', ['app/port', '/'], true],
    ['pillar', ['app/port/81', '/'], false],
    ['pillar', ['app:hosts:h1'], true],
    ['pillar_pcre', ['role:w.b'], true],
    ['ipcidr', ['10.0.0.0/8'], true],
    ['compound', ['G@os:Debian and not db*'], true],
    ['compound', ['G@os:RedHat or db*'], false],
  ] as const)
    assert.equal(answer(`match.${fun}`, [...args]), want, `${fun} ${args}`);
});

test('values are chosen by the first target that fits', () => {
  const { answer } = minion();
  assert.equal(answer('match.filter_by', [{ 'db*': 1, 'web*': 2, default: 3 }]), 2);
  assert.equal(answer('match.filter_by', [{ 'db*': 1 }], { default: 'x' }), null);
  assert.deepEqual(answer('match.filter_by', [{ 'web*': { a: 1 } }], { tgt_type: 'glob', merge: { b: 2 } }), {
    a: 1,
    b: 2,
  });
  assert.deepEqual(answer('match.search_by', [{ w: ['x', 'web*'], d: ['db*'] }]), ['w']);
  assert.equal(answer('match.ifelse', ['db*', 1, 'web*', 2, 3]), 2);
  assert.equal(answer('match.ifelse', [false, 1, 3]), 3);
  assert.throws(() => answer('match.ifelse', ['a', 'b']), { name: 'SaltException' });
});

test('fingerprints of key files', () => {
  const dir = mkdtempSync(join(tmpdir(), 'pki-'));
  try {
    writeFileSync(join(dir, 'minion.pub'), '-----BEGIN PUBLIC KEY-----\nAAA\nBBB\n-----END PUBLIC KEY-----\n');
    const { answer } = minion({ opts: { pki_dir: dir, hash_type: 'sha256' } });
    const want = (kind: string): string =>
      createHash(kind)
        .update('AAA\nBBB\n')
        .digest('hex')
        .replace(/(..)(?=.)/g, '$1:');
    assert.equal(answer('key.finger'), want('sha256'));
    assert.equal(answer('key.finger', ['md5']), want('md5'));
    assert.equal(answer('key.finger_master'), '');
  } finally {
    rmSync(dir, { recursive: true });
  }
});
