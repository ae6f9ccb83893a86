import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runReactor } from '../conformance/reactor.ts';

test('recorded reactions compile to the same chunks and calls, with the same words in the log', () => {
  const better =
    (JSON.parse(readFileSync('test/conformance/better.json', 'utf8')) as Record<string, Record<string, string>>)[
      'reactor'
    ] ?? {};
  const bad = runReactor('test/golden/cli/reactor.json').filter((r) => !r.ok && !better[r.name]);
  assert.equal(bad.length, 0, bad.map((r) => `${r.name}\n${r.detail}`).join('\n\n'));
});
