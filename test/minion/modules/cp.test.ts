import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { type Py, toPy, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import { MinionFiles } from '../../../minion/file-client.ts';
import cp from '../../../minion/modules/cp.ts';
import { type Setting, smallMinion } from './small-minion.ts';

const top = mkdtempSync(join(tmpdir(), 'cp-'));
after(() => rmSync(top, { recursive: true }));
const root = join(top, 'root');
mkdirSync(join(root, 'web/empty'), { recursive: true });
mkdirSync(join(root, 'web/conf.d'));
writeFileSync(join(root, 'web/conf.d/a.conf'), 'a\n');
writeFileSync(join(root, 'web/conf.d/b.txt'), 'b\n');
writeFileSync(join(root, 'web/init.sls'), 'x: y\n');
writeFileSync(join(root, 'top.sls'), 't: u\n');
const big = Buffer.alloc(2_500_000, 'salt and pepper ');
writeFileSync(join(root, 'big'), big);

let count = 0;
function local(setting: Setting = {}) {
  const cachedir = join(top, `cache${count++}`);
  const m = smallMinion(
    { cp },
    { ...setting, opts: { cachedir, file_client: 'local', file_roots: { base: [root] }, ...setting.opts } },
  );
  return {
    m,
    cachedir,
    answer: (name: string, args: Wire[] = [], kw: WireMap = {}): Wire => toWire(m.call(`cp.${name}`, args, kw) as Py),
  };
}

test('files are listed by environment and folder', () => {
  const { answer } = local();
  assert.deepEqual(answer('envs'), ['base']);
  assert.deepEqual(answer('list_master', [], { prefix: 'web/conf.d' }), ['web/conf.d/a.conf', 'web/conf.d/b.txt']);
  assert.deepEqual(answer('list_states'), ['top', 'web']);
  assert.ok((answer('list_master_dirs') as string[]).includes('web/empty'));
  assert.deepEqual(answer('list_master', ['dev']), []);
});

test('a file is cached under its environment, readable by its owner only, and found again', () => {
  const { answer, cachedir } = local();
  const path = join(cachedir, 'files/base/web/conf.d/a.conf');
  assert.equal(answer('is_cached', ['salt://web/conf.d/a.conf']), '');
  assert.equal(answer('cache_file', ['salt://web/conf.d/a.conf']), path);
  assert.equal(readFileSync(path, 'utf8'), 'a\n');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(answer('is_cached', ['salt://web/conf.d/a.conf']), path);
  assert.deepEqual(answer('list_minion'), [path]);
  assert.equal(answer('cache_dest', ['salt://x/y']), join(cachedir, 'files/base/x/y'));
});

test('a missing file is False, with an error in the log', () => {
  const { answer, m } = local();
  assert.equal(answer('cache_file', ['salt://nope']), false);
  assert.ok(m.lines.includes("error: Unable to cache file 'salt://nope' from saltenv 'base'."));
  assert.equal(answer('cache_file', ['salt://top.sls?saltenv=dev']), false);
  assert.equal(answer('get_file', ['salt://nope', join(top, 'x')]), '');
  assert.equal(answer('hash_file', ['salt://nope']), '');
  assert.equal(answer('get_file_str', ['salt://nope']), false);
});

test('no name leads out of the roots or out of the cache', () => {
  const { answer } = local();
  writeFileSync(join(top, 'secret'), 's');
  for (const path of ['salt://../secret', 'salt://web/../../secret', 'salt:///etc/hosts'])
    assert.equal(answer('cache_file', [path]), false, path);
  assert.equal(answer('cache_file', ['salt://top.sls', '../..']), false);
  assert.throws(() => answer('cache_dest', ['http://h/..%2f..%2f..%2f..%2fx']), { name: 'CommandExecutionError' });
});

test('get_file makes folders on demand only, and a folder takes the file under its name', () => {
  const { answer } = local();
  const to = join(top, 'got/deep/a.conf');
  assert.equal(answer('get_file', ['salt://web/conf.d/a.conf', to]), false);
  assert.equal(answer('get_file', ['salt://web/conf.d/a.conf', to], { makedirs: true }), to);
  assert.equal(answer('get_file', ['salt://web/conf.d/b.txt', join(top, 'got')]), join(top, 'got/b.txt'));
});

test('a folder is copied with what is empty in it', () => {
  const { answer } = local();
  const to = join(top, 'dir');
  const got = answer('get_dir', ['salt://web', to]) as string[];
  assert.deepEqual(
    got,
    ['conf.d/a.conf', 'conf.d/b.txt', 'empty', 'init.sls'].map((f) => join(to, 'web', f)),
  );
  assert.deepEqual(
    answer('get_dir', ['salt://web/conf.d', to]),
    ['a.conf', 'b.txt'].map((f) => join(to, 'conf.d', f)),
  );
});

test('a folder is cached by patterns', () => {
  const { answer, cachedir } = local();
  const at = (...f: string[]): string[] => f.map((x) => join(cachedir, 'files/base', x));
  assert.deepEqual(answer('cache_dir', ['salt://web'], { include_pat: '*.conf' }), at('web/conf.d/a.conf'));
  assert.deepEqual(
    answer('cache_dir', ['salt://web'], { exclude_pat: 'E@conf\\.d', include_empty: true }),
    at('web/init.sls', 'web/empty'),
  );
});

test('paths and file:// addresses are answered as paths', () => {
  const { answer } = local();
  assert.equal(answer('cache_file', ['/etc/hosts']), '/etc/hosts');
  assert.equal(answer('get_url', ['file:///etc/hosts']), '/etc/hosts');
  assert.throws(() => answer('get_url', ['rel']), {
    name: 'CommandExecutionError',
    message: "Path 'rel' is not absolute",
  });
  assert.equal(answer('get_url', ['salt://top.sls', null]), 't: u\n');
});

test('hash and mode of files on both sides', () => {
  const { answer } = local();
  const hsum = createHash('sha256').update(big).digest('hex');
  assert.deepEqual(answer('hash_file', ['salt://big']), { hash_type: 'sha256', hsum });
  assert.deepEqual(answer('hash_file', [join(root, 'big')]), { hsum, hash_type: 'sha256' });
  assert.match(answer('stat_file', ['salt://big']) as string, /^0[0-7]{3}$/);
  assert.equal(answer('stat_file', ['salt://nope']), null);
});

test('files of the master come in pieces, zipped or as text, and only when they changed', () => {
  const asked: string[] = [];
  const { answer, cachedir } = local({
    opts: { file_client: 'remote' },
    master: (cmd, load) => {
      asked.push(cmd);
      const hsum = createHash('sha256').update(big).digest('hex');
      if (cmd === '_file_hash') return toPy(load['path'] === 'big' ? { hsum, hash_type: 'sha256' } : '');
      if (cmd === '_serve_file') {
        const loc = load['loc'] as number;
        const piece = big.subarray(loc, loc + 1_000_000);
        if (!piece.length) return toPy({ data: '', dest: 'big' });
        return loc === 0
          ? toPy({ data: new Uint8Array(gzipSync(piece)), dest: 'big', gzip: 1 })
          : toPy({ data: piece.toString(), dest: 'big' });
      }
      return null;
    },
  });
  const path = join(cachedir, 'files/base/big');
  assert.equal(answer('cache_file', ['salt://big']), path);
  assert.ok(readFileSync(path).equals(big));
  assert.deepEqual(asked, ['_file_hash', ...Array<string>(4).fill('_serve_file')]);
  asked.length = 0;
  assert.equal(answer('cache_files', ['salt://big,salt://nope']) && existsSync(path), true);
  assert.ok(!asked.includes('_serve_file'));
});

test('push sends a file in pieces and reports a master that takes none', () => {
  const loads: WireMap[] = [];
  let taking = true;
  const { answer, m } = local({
    opts: { file_buffer_size: 1_000_000 },
    master: (cmd, load) => {
      assert.equal(cmd, '_file_recv');
      loads.push(load);
      return taking;
    },
  });
  assert.equal(answer('push', [join(root, 'big')], { upload_path: '/logs/b' }), true);
  assert.deepEqual(
    loads.map((l) => [l['loc'], (l['data'] as Uint8Array).length]),
    [
      [0, 1e6],
      [1e6, 1e6],
      [2e6, 5e5],
    ],
  );
  assert.deepEqual(loads[0]!['path'], ['logs', 'b']);
  assert.equal(answer('push', ['rel']), false);
  assert.equal(answer('push', [`${root}/../root/big`]), false);
  assert.equal(answer('push_dir', [join(root, 'web')], { glob: '*.conf' }), true);
  assert.deepEqual((loads.at(-1)!['path'] as string[]).slice(-2), ['conf.d', 'a.conf']);
  taking = false;
  assert.equal(answer('push', [join(root, 'big')]), false);
  assert.ok(m.lines.some((l) => l.includes("Ensure master has 'file_recv' set to 'True'")));
});

test('what salt-cp sends is written', () => {
  const { answer } = local();
  const to = join(top, 'received');
  mkdirSync(to);
  assert.deepEqual(answer('recv', [{ 'a/x.txt': 'data' }, to]), { [join(to, 'x.txt')]: true });
  assert.equal(answer('recv', [{ x: 'data' }, '/no/such/folder']), 'Destination unavailable');
  const chunk = (s: string): string => gzipSync(s).toString('base64');
  assert.equal(answer('recv_chunked', [join(to, 'sub/c'), chunk('one ')], { mode: 0o600 }), true);
  assert.equal(answer('recv_chunked', [join(to, 'sub/c'), chunk('two')], { append: true }), true);
  assert.equal(readFileSync(join(to, 'sub/c'), 'utf8'), 'one two');
  assert.equal(answer('recv_chunked', [join(to, 'sub/c'), null]), 'Path exists and is a file');
});

test('files of the web are cached, compared by hash and tag, and errors named without the password', async () => {
  const server = new Worker(
    `const { createServer } = require('node:http'); const { parentPort } = require('node:worker_threads');
     let hits = 0;
     const s = createServer((q, r) => { hits++;
       if (q.url === '/moved') { r.writeHead(302, { location: '/f?x=1' }).end(); return; }
       if (q.url.startsWith('/f')) { if (q.headers['if-none-match'] === 'v1') { r.writeHead(304).end(); return; }
         r.writeHead(200, { etag: 'v1' }).end('web ' + (q.headers.authorization || '')); return; }
       r.writeHead(404).end(); });
     s.listen(0, '127.0.0.1', () => parentPort.postMessage(s.address().port));`,
    { eval: true },
  );
  try {
    const port = await new Promise<number>((got) => server.once('message', got));
    const { answer, cachedir } = local();
    const url = `http://127.0.0.1:${port}`;
    const path = join(cachedir, `extrn_files/base/127.0.0.1${port}`, 'f');
    assert.equal(answer('cache_file', [`${url}/f`], { use_etag: true }), path);
    assert.equal(readFileSync(path, 'utf8'), 'web ');
    writeFileSync(path, 'kept');
    assert.equal(answer('cache_file', [`${url}/f`, 'other'], { use_etag: true }) !== false, true);
    assert.equal(
      answer('get_url', [`${url}/f`], { source_hash: `sha256=${createHash('sha256').update('kept').digest('hex')}` }),
      path,
    );
    assert.equal(readFileSync(path, 'utf8'), 'kept');
    assert.equal(answer('get_url', [`${url}/moved`, join(top, 'moved')]), join(top, 'moved'));
    assert.equal(answer('get_url', [`http://u:p%20w@127.0.0.1:${port}/f`, join(top, 'auth')]), join(top, 'auth'));
    assert.equal(readFileSync(join(top, 'auth'), 'utf8'), `web Basic ${Buffer.from('u:p w').toString('base64')}`);
    assert.throws(() => answer('get_url', [`${url}/none`, join(top, 'n')]), {
      name: 'MinionError',
      message: 'Error: HTTP 404 reading /none',
    });
    assert.equal(existsSync(join(top, 'n')), false);
  } finally {
    await server.terminate();
  }
});

test('the client serves SLS and templates', () => {
  const { m } = local();
  const files = new MinionFiles(m.ctx.opts, m.ctx.master, m.ctx.log);
  assert.equal(readFileSync(files.cache('top.sls', 'base') as string, 'utf8'), 't: u\n');
  assert.equal(files.cache('none', 'base'), undefined);
  assert.ok(files.list('base').includes('web/init.sls'));
});
