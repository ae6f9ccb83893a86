import assert from 'node:assert/strict';
import { rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import temp from '../../../minion/modules/temp.ts';
import { smallMinion } from './small-minion.ts';

const m = smallMinion({ temp });

test('temporary folders and files are private from birth and never the same', () => {
  const dir = m.call('temp.dir', [], { prefix: 'p-', suffix: '-s' }) as string;
  try {
    assert.match(dir, /\/p-[a-z0-9_]{8}-s$/);
    assert.equal(statSync(dir).mode & 0o7777, 0o700);
    const a = m.call('temp.file', [], { parent: dir }) as string;
    const b = m.call('temp.file', ['.x'], { parent: dir }) as string;
    assert.equal(dirname(a), dir);
    assert.notEqual(a, b);
    assert.match(b, /\/tmp[a-z0-9_]{8}\.x$/);
    assert.equal(statSync(a).mode & 0o7777, 0o600);
    assert.throws(() => m.call('temp.file', [], { parent: `${dir}/none` }), { name: 'FileNotFoundError' });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
