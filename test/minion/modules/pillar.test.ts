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

const PLAIN = { unmask: true };
const MASK = '*'.repeat(10);

test('a value is found by its path, or the default is', () => {
  const { answer } = minion();
  for (const [path, want] of [
    ['app:port', 8080],
    ['app:hosts:1', 'h2'],
    ['none', null],
    ['no:such', ''],
  ] as const)
    assert.deepEqual(answer('pillar.get', [path], PLAIN), want, path);
  assert.equal(answer('pillar.get', ['app/port'], { delimiter: '/', ...PLAIN }), 8080);
  assert.equal(answer('pillar.fetch', ['zz', 'd'], PLAIN), 'd');
  assert.throws(() => minion({ opts: { pillar_raise_on_missing: true } }).answer('pillar.get', ['zz']), {
    name: 'KeyError',
    message: "'Pillar key not found: zz'",
  });
});

test('values are masked unless asked for as they are; what is empty or false is not', () => {
  const { answer } = minion();
  assert.equal(answer('pillar.get', ['app:port']), MASK);
  assert.equal(answer('pillar.get', ['zz', 'd']), MASK);
  assert.deepEqual(answer('pillar.item', ['app:hosts', 'none', 'zz']), {
    'app:hosts': [MASK, MASK],
    none: null,
    zz: '',
  });
  assert.deepEqual(answer('pillar.raw', ['role']), 'web');
  assert.deepEqual(answer('pillar.raw', ['role'], { unmask: false }), MASK);
});

test('a value is merged into a default that is a dict or a list', () => {
  const { answer, m } = minion();
  const merged = (path: string, otherwise: Wire, kw: WireMap = {}): Wire =>
    answer('pillar.get', [path, otherwise], { merge: true, ...PLAIN, ...kw });
  assert.deepEqual(merged('app:deep', { er: false, x: 1 }), { er: true, x: 1 });
  assert.deepEqual(merged('app:hosts', ['h0', 'h1']), ['h0', 'h1', 'h2']);
  assert.deepEqual(merged('app', { hosts: ['h0'] }, { merge_nested_lists: true }), {
    hosts: ['h0', 'h1', 'h2'],
    port: 8080,
    deep: { er: true },
  });
  assert.equal(merged('role', { a: 1 }), 'web');
  assert.ok(m.lines.some((l) => l.includes("is of type 'str'. Merge will be skipped.")));
  assert.deepEqual(answer('pillar.get', ['app:hosts'], PLAIN), ['h1', 'h2']);
});

test('the pillar in use: named keys, types, choices by it', () => {
  const { answer } = minion();
  assert.deepEqual(answer('pillar.items', ['role'], PLAIN), { role: 'web' });
  assert.deepEqual(answer('pillar.item', ['app:port', 'zz'], { default: 'd', ...PLAIN }), {
    'app:port': 8080,
    zz: 'd',
  });
  assert.deepEqual(answer('pillar.raw', ['app']), PILLAR.app);
  assert.deepEqual(answer('pillar.keys', ['app']), ['port', 'hosts', 'deep']);
  assert.throws(() => answer('pillar.keys', ['role']), {
    name: 'ValueError',
    message: 'Pillar value in key role is not a dict',
  });
  assert.deepEqual(answer('pillar.filter_by', [{ 'we*': 1, default: 2 }, 'role']), 1);
});

test('the master compiles the pillar anew, of other environments and with other values', () => {
  const asked: WireMap[] = [];
  const { answer } = minion({
    master: (cmd, load) => {
      assert.equal(cmd, '_pillar');
      asked.push(load);
      return toPy({ from: 'master', port: 1, none: null });
    },
  });
  const whole = { from: 'master', port: 1, none: null };
  assert.deepEqual(answer('pillar.items', [], { pillar: { a: 1 }, pillarenv: 'dev', ...PLAIN }), whole);
  assert.equal(answer('pillar.get', ['from'], { saltenv: 'dev', ...PLAIN }), 'master');
  assert.deepEqual(answer('pillar.ext', ['{cmd_json: cat x}'], PLAIN), whole);
  assert.deepEqual(
    [asked[0]!['pillar_override'], asked[0]!['pillarenv'], asked[1]!['saltenv'], asked[2]!['ext']],
    [{ a: 1 }, 'dev', 'dev', { cmd_json: 'cat x' }],
  );
  assert.equal(asked.length, 3);
  assert.deepEqual(answer('pillar.raw'), PILLAR);
  assert.deepEqual(answer('pillar.ls'), ['from', 'port', 'none']);
  assert.deepEqual(answer('pillar.obfuscate', [], PLAIN), { from: '<str>', port: '<int>', none: '<NoneType>' });
  assert.deepEqual(answer('pillar.obfuscate'), { from: '<str>', port: '<str>', none: '<NoneType>' });
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
