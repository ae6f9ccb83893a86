import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runOutputters } from '../../conformance/outputters.ts';

test('every outputter prints byte for byte what real Salt prints', () => {
  const results = runOutputters('test/golden/cli');
  const failed = results.filter((r) => !r.ok);
  assert.ok(results.length > 400);
  assert.equal(
    failed.length,
    0,
    failed
      .map((r) => `${r.name}: ${r.detail}`)
      .join('\n')
      .slice(0, 12000),
  );
});
