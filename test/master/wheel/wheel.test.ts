import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { cleanPem, fingerOfBody, PrivateKey, PublicKey } from '../../../bus/wire/keys.ts';
import { insidePath } from '../../../master/inside-path.ts';
import config from '../../../master/wheel/config.ts';
import error from '../../../master/wheel/error.ts';
import fileRoots from '../../../master/wheel/file_roots.ts';
import key from '../../../master/wheel/key.ts';
import minions from '../../../master/wheel/minions.ts';
import pillarRoots from '../../../master/wheel/pillar_roots.ts';
import { type Py, PyDict, toWire } from '../../../sls/values.ts';
import { d, type RunPlace, runPlace } from '../runners/run-fixture.ts';

/** Paths that lead out of a folder, or try to. */
const CORPUS = [
  '../outside.txt',
  '../../outside.txt',
  'a/../../outside.txt',
  './../outside.txt',
  '..',
  '.',
  '',
  '/etc/passwd',
  'link/outside.txt',
  'link/new/deep.txt',
  'file-link',
  'a\0b',
  '..\\outside.txt',
  'a\\..\\..\\outside.txt',
  'top.sls/below',
];

function withOutside(): RunPlace {
  const p = runPlace();
  writeFileSync(join(p.dir, 'outside.txt'), 'secret');
  for (const root of ['files', 'pillar']) {
    writeFileSync(join(p.dir, root, 'top.sls'), 'base: {}\n');
    symlinkSync(p.dir, join(p.dir, root, 'link'));
    symlinkSync(join(p.dir, 'outside.txt'), join(p.dir, root, 'file-link'));
  }
  return p;
}

for (const [name, module] of [
  ['file_roots', fileRoots],
  ['pillar_roots', pillarRoots],
] as const) {
  test(`${name} reads, lists and writes inside its folders`, async () => {
    const p = runPlace();
    const root = join(p.dir, name === 'file_roots' ? 'files' : 'pillar');
    const dest = join(root, 'web', 'init.sls');
    assert.equal(await p.call(module, 'write', ['x: 1\n', 'web/init.sls']), `Wrote data to file ${dest}`);
    writeFileSync(join(root, 'logo'), Buffer.from([1, 0, 2]));
    assert.deepEqual(toWire(await p.call(module, 'read', ['web/init.sls'])), [{ [dest]: 'x: 1\n' }]);
    assert.deepEqual(toWire(await p.call(module, 'find', ['logo'])), [{ [join(root, 'logo')]: 'bin' }]);
    assert.deepEqual(await p.call(module, 'read', ['logo']), []);
    const tree = { [root]: { logo: 'f', web: { 'init.sls': 'f' } } };
    assert.deepEqual(toWire(await p.call(module, 'list_env')), tree);
    assert.deepEqual(toWire(await p.call(module, 'list_roots')), { base: [tree] });
    assert.deepEqual(toWire(await p.call(module, 'list_env', ['nosuch'])), {});
    assert.equal(await p.call(module, 'write', ['x', 'y', 'nosuch']), 'Named environment nosuch is not present');
    for (const index of [1, -1])
      assert.equal(
        await p.call(module, 'write', ['x', 'y', 'base', index]),
        `Specified index ${index} in environment base is not present`,
      );
    assert.match(
      String(await p.call(module, 'write', ['x', '/etc/passwd'])),
      /is not relative to the environment base$/,
    );
  });

  test(`${name} never leaves its folders, whatever the path says`, async () => {
    const p = withOutside();
    const before = readdirSync(p.dir).sort();
    for (const path of CORPUS) {
      assert.deepEqual(await p.call(module, 'find', [path]), [], path);
      assert.deepEqual(await p.call(module, 'read', [path]), [], path);
      const said = await p.call(module, 'write', ['owned', path]);
      assert.doesNotMatch(String(said), /^Wrote/, path);
    }
    for (const path of [null, 7, ['top.sls'], d({ a: 1 })] as Py[])
      assert.deepEqual(await p.call(module, 'read', [path]), []);
    assert.equal(readFileSync(join(p.dir, 'outside.txt'), 'utf8'), 'secret');
    assert.deepEqual(readdirSync(p.dir).sort(), before);
  });
}

test('no path that is taken for inside leads out', () => {
  const part = fc.constantFrom('..', '.', 'a', 'b', '', 'link', '...', ' ', '..a');
  const p = withOutside();
  const root = join(p.dir, 'files');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const full = insidePath(root, parts.join('/'));
      if (full === undefined) return true;
      const inside = full.slice(root.length + 1).split('/');
      return full.startsWith(`${root}/`) && !inside.includes('..') && inside[0] !== 'link';
    }),
  );
});

test('config.update_config writes a drop-in and nothing elsewhere', async () => {
  const p = runPlace({ opts: { default_include: 'master.d/*.conf' } });
  p.ctx.opts.set('config_dir', p.dir);
  assert.equal(await p.call(config, 'update_config', ['gui', d({ id: 1, list: ['a'] })]), 'Wrote gui.conf');
  assert.equal(readFileSync(join(p.dir, 'master.d', 'gui.conf'), 'utf8'), 'id: 1\nlist:\n- a\n');
  symlinkSync(p.dir, join(p.dir, 'master.d', 'link'));
  for (const name of ['../gui', '/tmp/gui', 'a/../../gui', 'link/gui', 'a\0', '..\\gui'])
    assert.equal(await p.call(config, 'update_config', [name, d({})]), 'Invalid path', name);
});

test('config.values shows what the files say now, and apply changes one option of the main file', async () => {
  const p = runPlace();
  writeFileSync(join(p.dir, 'master'), `# mine\ntimeout: 7\nsaltgui_templates: {x: 1}\nroot_dir: ${p.dir}\n`, {
    mode: 0o600,
  });
  assert.equal(await p.call(config, 'apply', ['order_masters', true]), null);
  const values = (await p.call(config, 'values')) as PyDict;
  assert.equal(values.get('timeout'), 7);
  assert.equal(values.get('order_masters'), true);
  assert.deepEqual(toWire(values.get('saltgui_templates')!), { x: 1 });
  assert.ok(values.has('nodegroups') && values.has('state_verbose'));
});

test('error.error raises what it is told to', async () => {
  const p = runPlace();
  assert.deepEqual(toWire(await p.call(error, 'error')), {});
  await assert.rejects(p.call(error, 'error', ['ValueError', 'bad']), { code: 'ValueError', message: 'bad' });
});

test('minions.connected lists who is there', async () => {
  const p = runPlace({ order: () => ({ b: '10.0.0.2', a: '10.0.0.1' }) });
  assert.deepEqual(await p.call(minions, 'connected'), ['a', 'b']);
});

const pem = cleanPem(
  generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' }) as string,
);
function withKeys(order?: Parameters<typeof runPlace>[0]): RunPlace {
  const p = runPlace(order);
  p.keys.put('web1', 'minions_pre', pem);
  p.keys.put('web2', 'minions_pre', pem);
  p.keys.put('old', 'minions_rejected', pem);
  p.keys.put('db', 'minions', pem);
  writeFileSync(join(p.dir, 'pki', 'master.pub'), `${pem}\n`);
  return p;
}

test('key.list_all has all states, also empty ones, and key.list one', async () => {
  const p = withKeys();
  assert.deepEqual(toWire(await p.call(key, 'list_all')), {
    minions_pre: ['web1', 'web2'],
    minions_rejected: ['old'],
    minions: ['db'],
    minions_denied: [],
    local: ['master.pub'],
  });
  assert.deepEqual(toWire(await p.call(key, 'list', ['accepted'])), { minions: ['db'] });
  assert.deepEqual(toWire(await p.call(key, 'name_match', ['*1'])), { minions_pre: ['web1'] });
});

test('keys are accepted, rejected and deleted by pattern, and the answer tells where they are', async () => {
  const p = withKeys();
  assert.deepEqual(toWire(await p.call(key, 'accept', ['web*'])), { minions: ['web1', 'web2'] });
  assert.deepEqual(toWire(await p.call(key, 'accept', ['old'])), { minions_rejected: ['old'] });
  assert.deepEqual(toWire(await p.call(key, 'accept', ['old', true])), { minions: ['old'] });
  assert.deepEqual(toWire(await p.call(key, 'reject', ['web1'], { include_accepted: true })), {
    minions_rejected: ['web1'],
  });
  assert.deepEqual(toWire(await p.call(key, 'delete', ['web*'])), {});
  assert.deepEqual(p.keys.list().minions, ['db', 'old']);
});

test('keys are accepted, rejected and deleted by a map of states', async () => {
  const p = withKeys();
  const accept = d({ minions_pre: ['web1'], minions_rejected: ['old'] });
  assert.deepEqual(toWire(await p.call(key, 'accept_dict', [accept])), {
    minions: ['web1'],
    minions_rejected: ['old'],
  });
  assert.deepEqual(toWire(await p.call(key, 'reject_dict', [d({ minions: ['web1'] }), true])), {
    minions_rejected: ['web1'],
  });
  assert.deepEqual(toWire(await p.call(key, 'delete_dict', [d({ minions: ['db'], minions_pre: ['web2'] })])), {});
  assert.deepEqual(await p.call(key, 'delete_dict', ['text']), new PyDict());
  assert.deepEqual(p.keys.list().minions, []);
});

test('with a running master changes are its own', async () => {
  const p = withKeys({ order: (_name, data) => data['ids'] ?? [] });
  await p.call(key, 'accept', ['web1']);
  await p.call(key, 'delete', ['db']);
  assert.deepEqual(p.orders, [
    ['key.accept', { ids: ['web1'], from: ['minions_pre'] }],
    ['key.delete', { ids: ['db'] }],
  ]);
});

test('fingerprints and texts of keys, the master fingerprint as minions compare it', async () => {
  const p = withKeys();
  assert.deepEqual(toWire(await p.call(key, 'finger_master')), { local: { 'master.pub': fingerOfBody(pem) } });
  assert.deepEqual(toWire(await p.call(key, 'master_key_str')), { local: { 'master.pub': pem } });
  assert.deepEqual(toWire(await p.call(key, 'print', ['db'])), { minions: { db: pem } });
  const all = (await p.call(key, 'finger', ['*', 'md5'])) as PyDict<PyDict>;
  assert.match(String(all.get('minions')?.get('db')), /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
  assert.deepEqual(toWire(await p.call(key, 'finger', ['nosuch'])), {});
});

test('a made pair belongs together, and gen_accept keeps the public half unless the minion has a key', async () => {
  const p = withKeys();
  const pair = toWire(await p.call(key, 'gen')) as { priv: string; pub: string };
  assert.equal(PrivateKey.fromPem(pair.priv).public.pem, pair.pub);
  const made = toWire(await p.call(key, 'gen_accept', ['new'])) as { pub: string };
  assert.equal(PublicKey.fromPem(p.keys.get('new', 'minions') ?? '').pem, made.pub);
  assert.deepEqual(toWire(await p.call(key, 'gen_accept', ['web1'])), {});
  assert.notDeepEqual(toWire(await p.call(key, 'gen_accept', ['web1'], { force: true })), {});
  assert.deepEqual(p.keys.list().minions, ['db', 'new', 'web1']);
  for (const id of ['../evil', 'a/b', '', '..', 'a\0'])
    await assert.rejects(p.call(key, 'gen_accept', [id]), { code: 'ValueError' }, id);
  await assert.rejects(p.call(key, 'gen', [null, 1e9]), { code: 'ValueError' });
});

test('gen_keys and gen_signature work on the folders that are named', async () => {
  const p = withKeys();
  const dir = join(p.dir, 'made');
  mkdirSync(dir);
  assert.match(String(await p.call(key, 'gen_keys', [dir, 'web9'])), /^([0-9a-f]{2}:){31}/);
  assert.deepEqual(readdirSync(dir).sort(), ['web9.pem', 'web9.pub']);
  await assert.rejects(p.call(key, 'gen_keys', [dir, '../web9']), { code: 'SaltInvocationError' });
  assert.equal(await p.call(key, 'gen_signature', ['', '', dir]), 'No usable private-key found');
  assert.equal(await p.call(key, 'gen_signature', ['', '', dir, true]), true);
});
