import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import type { PillarQuestion } from '../../master/pillar.ts';
import { PillarProcess } from '../../master/pillar-process.ts';
import { defaultOptions } from '../../sls/config-defaults.ts';
import { repr } from '../../sls/values.ts';

let root: string;
let pillars: PillarProcess;
const write = (path: string, text: string): void => writeFileSync(join(root, 'pillar', path), text);
const question = (id: string, more: Partial<PillarQuestion> = {}): PillarQuestion => ({
  id,
  grains: new PyDict([['os', 'Debian']]),
  saltenv: null,
  pillarenv: null,
  override: new PyDict(),
  ...more,
});

before(() => {
  root = mkdtempSync(join(tmpdir(), 'brine-pillars-'));
  mkdirSync(join(root, 'pillar'));
  write(
    'top.sls',
    "base:\n  'web*': [web]\n  'os:Debian':\n    - match: grain\n    - deb\n  count: [count]\n  'bad*': [bad]\n",
  );
  write('web.sls', 'port: 80\nname: {{ grains.os }}\n');
  write('deb.sls', 'family: debian\n');
  write('count.sls', `n: {{ salt['cmd.run']('echo x >> ${root}/count; wc -l < ${root}/count') }}\n`);
  write('bad.sls', 'a: {{ nothing }}\n');
  const opts = new Opts(
    new PyDict<Py>([
      ...defaultOptions('master', 'root', root),
      ['cachedir', join(root, 'cache')],
      ['pillar_roots', new PyDict<Py>([['base', [join(root, 'pillar')]]])],
      ['on_demand_ext_pillar', ['cmd_json']],
    ]),
  );
  pillars = new PillarProcess(opts, quietLog);
});
after(() => {
  pillars.close();
  rmSync(root, { recursive: true, force: true });
});

test('a pillar is compiled for the minion that asks, by its id and grains', async () => {
  assert.equal(repr(await pillars.compile(question('web1'))), "{'port': 80, 'name': 'Debian', 'family': 'debian'}");
  const other = question('db1', { grains: new PyDict([['os', 'Alpine']]) });
  assert.equal(repr(await pillars.compile(other)), '{}');
});

test('a changed, a new and a removed pillar file are seen at the next question', async () => {
  await pillars.compile(question('web2'));
  write('web.sls', 'port: 8080\nname: {{ grains.os }}\n');
  assert.equal((await pillars.compile(question('web2'))).get('port'), 8080);
  write('deb.sls', 'include: [more]\n');
  assert.equal((await pillars.compile(question('web2'))).has('_errors'), true);
  write('more.sls', 'more: 1\n');
  assert.equal((await pillars.compile(question('web2'))).get('more'), 1);
  rmSync(join(root, 'pillar', 'more.sls'));
  assert.equal((await pillars.compile(question('web2'))).has('more'), false);
  write('deb.sls', 'family: debian\n');
});

test('a pillar that runs a command is made anew each time, but once for questions that come together', async () => {
  const lines = (): number => readFileSync(join(root, 'count'), 'utf8').split('\n').length - 1;
  const both = await Promise.all([pillars.compile(question('count')), pillars.compile(question('count'))]);
  assert.deepEqual(
    both.map((p) => p.get('n')),
    [1, 1],
  );
  assert.equal(lines(), 1);
  assert.equal((await pillars.compile(question('count'))).get('n'), 2);
});

test('a broken pillar file leaves an error that tells nothing of its content', async () => {
  const errors = (await pillars.compile(question('bad1'))).get('_errors');
  assert.deepEqual(errors, ["Rendering SLS 'bad' failed. Please see master log for details."]);
});

test('what a caller lays over the pillar and a source that he adds are in it', async () => {
  const override = new PyDict<Py>([['port', 1]]);
  const ext = new PyDict<Py>([['cmd_json', 'echo \'{"who": "%s"}\'']]);
  const pillar = await pillars.compile(question('web3', { override, ext }));
  assert.equal(pillar.get('port'), 1);
  assert.equal(pillar.get('who'), 'web3');
  const refused = await pillars.compile(question('web3', { ext: new PyDict<Py>([['cmd_yaml', 'echo who: x']]) }));
  assert.equal(refused.has('who'), false);
});
