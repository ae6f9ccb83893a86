import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { toWire, type Wire } from '../../../bus/values.ts';
import jinja from '../../../minion/modules/jinja.ts';
import slsutil from '../../../minion/modules/slsutil.ts';
import { smallMinion } from './small-minion.ts';

const dir = mkdtempSync(join(tmpdir(), 'jinja-'));
after(() => rmSync(dir, { recursive: true }));
mkdirSync(join(dir, 'tree'));
writeFileSync(join(dir, 'tree/map.jinja'), '{% set web = {"port": 80 + 1, "in": grains["os"]} %}\n');
writeFileSync(join(dir, 'tree/d.yaml'), 'a: {b: [1, yes]}\n');
writeFileSync(join(dir, 'tree/d.json'), '{"x": null}');
const m = smallMinion(
  { jinja, slsutil },
  {
    opts: { file_client: 'local', cachedir: join(dir, 'cache'), file_roots: { base: [join(dir, 'tree')] } },
    grains: { os: 'Debian' },
  },
);
const answer = (name: string, ...args: Wire[]): unknown => toWire(m.call(`jinja.${name}`, args));

test('what templates import is shown as data', () => {
  assert.deepEqual(answer('load_map', 'map.jinja', 'web'), { port: 81, in: 'Debian' });
  assert.deepEqual(answer('import_yaml', 'd.yaml'), { a: { b: [1, true] } });
  assert.deepEqual(answer('import_json', 'd.json'), { x: null });
  assert.throws(() => answer('import_yaml', 'none.yaml'), { name: 'SaltRenderError' });
});
