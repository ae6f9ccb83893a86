import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runConfig } from '../conformance/config.ts';

test('every recorded configuration is read, warned about or refused as the reference does', () => {
  const all = runConfig('test/golden/cli');
  assert.ok(all.length > 50);
  assert.deepEqual(
    all.filter((o) => !o.ok),
    [],
  );
});
