import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runPillar } from '../conformance/pillar.ts';
import type { CaseResult } from '../conformance/result.ts';
import { runSlsCompile } from '../conformance/sls_compile.ts';

const better = JSON.parse(readFileSync('test/conformance/better.json', 'utf8')) as Record<
  string,
  Record<string, string>
>;

function check(category: string, results: readonly CaseResult[], least: number): void {
  assert.ok(results.length >= least);
  const wrong = results.filter((r) => !r.ok && !better[category]?.[r.name]);
  assert.equal(wrong.length, 0, wrong.map((r) => `${r.name}: ${r.detail}`).join('\n'));
}

test('state files compile to the recorded high data, low data and error texts', () =>
  check('sls_compile', runSlsCompile('test/golden/sls'), 217));

test('pillars compile to the recorded data, and are read as recorded', () =>
  check('pillar', runPillar('test/golden/sls'), 91));
