import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runStateRun } from '../../conformance/state_run.ts';

for (const [what, file, least] of [
  ['recorded state runs come out as on the reference, files included', 'test/golden/sls/state_run.json', 141],
  [
    'states of files, commands and modules come out as on the reference in further runs, test mode and errors among them',
    'test/minion/states/fixtures/runs.json',
    200,
  ],
] as const)
  test(what, { skip: process.getuid?.() !== 0 }, () => {
    const results = runStateRun(file);
    assert.ok(results.length >= least);
    const failed = results.filter((r) => !r.ok).map((f) => `${f.name}: ${f.detail}`);
    assert.deepEqual(failed, [], `${results.length - failed.length} of ${results.length}`);
  });
