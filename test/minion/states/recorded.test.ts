import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runStateRun } from '../../conformance/state_run.ts';

/** Cases reached so far. */
const REACHED = 140;

test('recorded state runs come out as on the reference, files included: no fewer than before', {
  skip: process.getuid?.() !== 0,
}, () => {
  const results = runStateRun('test/golden/sls/state_run.json');
  assert.ok(results.length >= 141);
  // What came out as recorded when this was written; it only grows.
  const passed = results.filter((r) => r.ok).length;
  assert.ok(passed >= REACHED, `${passed} of ${results.length}, ${REACHED} were reached before`);
});
