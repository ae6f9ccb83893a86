import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCaptures } from '../../conformance/captures.ts';

test('all recorded traffic of the reference is read and written as it was', () => {
  const results = runCaptures('test/golden/captures');
  const bad = results.filter((r) => !r.ok);
  assert.ok(results.length > 150, `${results.length} entries`);
  assert.deepEqual(bad, []);
});
