import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PyFloat, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import sysfs from '../../../minion/modules/sysfs.ts';
import { smallMinion } from './small-minion.ts';

const dir = realpathSync(mkdtempSync(join(tmpdir(), 'sysfs-')));
after(() => rmSync(dir, { recursive: true }));
mkdirSync(join(dir, 'q/sub'), { recursive: true });
const files: Record<string, [string, number]> = {
  'q/whole': ['42\n', 0o444],
  'q/text': ['[none] bfq\n', 0o644],
  'q/empty': ['\n', 0o444],
  'q/order': ['', 0o200],
  'q/sub/part': ['1.0\n', 0o444],
};
for (const [name, [text, mode]] of Object.entries(files)) {
  writeFileSync(join(dir, name), text);
  chmodSync(join(dir, name), mode);
}
symlinkSync('q', join(dir, 'link'));
const m = smallMinion({ sysfs });
const answer = (name: string, args: Wire[], kwargs: WireMap = {}): unknown =>
  toWire(m.call(`sysfs.${name}`, args, kwargs));

test('attributes are read as numbers where they are numbers', () => {
  assert.equal(answer('read', [join(dir, 'q/whole')]), 42);
  assert.equal(answer('read', [join(dir, 'q/empty')]), false);
  assert.equal(answer('read', [join(dir, 'none')]), false);
  assert.deepEqual(answer('read', [['whole', 'none', 'text']], { root: join(dir, 'q') }), {
    whole: 42,
    text: '[none] bfq',
  });
  const all = answer('read', [join(dir, 'link')]) as WireMap;
  assert.deepEqual({ ...all, sub: null }, { whole: 42, text: '[none] bfq', sub: null });
  const part = (all['sub'] as WireMap)['part'];
  assert.equal(part instanceof PyFloat ? part.valueOf() : part, 1);
});

test('links are followed to where an attribute lies', () => {
  assert.equal(answer('target', [join(dir, 'link')]), join(dir, 'q'));
  assert.equal(answer('target', [join(dir, 'link'), false]), 'q');
  assert.equal(answer('target', ['surely/not/there']), false);
  assert.equal(answer('attr', [join(dir, 'link')]), join(dir, 'q'));
});

test('attributes are sorted by what may be done with them', () => {
  const found = answer('interfaces', [join(dir, 'q')]) as Record<string, string[]>;
  assert.deepEqual(found['r']?.sort(), ['empty', 'sub/part', 'whole']);
  assert.deepEqual([found['w'], found['rw']], [['order'], ['text']]);
  assert.equal(answer('interfaces', [join(dir, 'q/whole')]), false);
});

test('attributes are written with a line end', () => {
  assert.equal(answer('attr', [join(dir, 'q/text'), 'bfq']), true);
  assert.equal(readFileSync(join(dir, 'q/text'), 'utf8'), 'bfq\n');
  assert.equal(answer('write', [join(dir, 'none'), 1]), false);
});
