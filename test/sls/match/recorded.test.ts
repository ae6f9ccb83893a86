import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCkminions } from '../../conformance/ckminions.ts';
import { runMatchers } from '../../conformance/matchers.ts';

const DIR = 'test/golden/cli';

for (const [what, run] of [
  ['a minion decides as real Salt whether a target means it', runMatchers],
  ['the master expects the same minions to answer as real Salt', runCkminions],
] as const)
  test(what, () => {
    const results = run(DIR);
    const failed = results.filter((r) => !r.ok);
    assert.ok(results.length > 400);
    assert.equal(
      failed.length,
      0,
      failed
        .map((r) => `${r.name}: ${r.detail}`)
        .slice(0, 40)
        .join('\n'),
    );
  });
