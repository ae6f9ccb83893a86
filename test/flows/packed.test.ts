import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { BUILT } from '../services/place.ts';

let dir = '';
let config = '';
const run = (...words: string[]): { code: number | null; out: string } => {
  const program = join(dir, 'dist/minion/cli/salt-call.js');
  const r = spawnSync(process.execPath, ['--no-rehash-snapshot', program, '-c', config, '--local', ...words], {
    encoding: 'utf8',
    env: { ...process.env, NODE_EXTRA_CA_CERTS: '' },
  });
  return { code: r.status, out: r.stdout + r.stderr };
};

before(() => {
  dir = mkdtempSync(join(tmpdir(), 'brine-packed-'));
  config = join(dir, 'etc');
  cpSync(BUILT, join(dir, 'dist'), { recursive: true });
  cpSync('bin', join(dir, 'bin'), { recursive: true });
  mkdirSync(config);
  writeFileSync(join(config, 'minion'), `id: packed\nroot_dir: ${dir}\n`);
  symlinkSync(resolve('node_modules'), join(dir, 'node_modules'));
  const script = `import(${JSON.stringify(resolve('build/pack.mjs'))}).then((m) => m.packCommands(${JSON.stringify(dir)}, ${JSON.stringify(join(dir, 'dist'))}, ['minion']))`;
  const packed = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  assert.equal(packed.status, 0, packed.stderr);
});
after(() => rmSync(dir, { recursive: true, force: true }));

test('a packed command line answers as the one it was made from, and its modules share its classes', () => {
  assert.deepEqual(run('test.ping'), { code: 0, out: 'local:\n    True\n' });
  assert.match(
    run('--out=json', '--out-indent=-1', 'test.arg', 'a', 'b=1').out,
    /"args": \["a"\], "kwargs": \{"b": 1,/,
  );
  const unknown = run('test.nosuch');
  assert.match(unknown.out, /'test.nosuch' is not available/);
  assert.notEqual(unknown.code, 0);
});

test('compiled code that does not fit, or is gone, costs time only', () => {
  const cache = join(dir, 'dist/minion/cli/salt-call.pack.cache');
  assert.ok(existsSync(cache));
  writeFileSync(cache, 'something else');
  assert.deepEqual(run('test.ping'), { code: 0, out: 'local:\n    True\n' });
  rmSync(cache);
  assert.deepEqual(run('test.ping'), { code: 0, out: 'local:\n    True\n' });
});
