import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runStateRun } from '../../conformance/state_run.ts';

test('recorded state runs come out as on the reference, files included', { skip: process.getuid?.() !== 0 }, () => {
  const results = runStateRun('test/golden/sls/state_run.json');
  assert.ok(results.length >= 141);
  const failed = results.filter((r) => !r.ok);
  assert.deepEqual(
    failed.map((f) => `${f.name}: ${f.detail}`),
    [],
    `${results.length - failed.length} of ${results.length}`,
  );
});
