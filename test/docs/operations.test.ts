import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERRORS } from '../../bus/errors.ts';

const page = readFileSync('docs/operations.md', 'utf8');

test('the table of exit codes names the errors of every code but 1', () => {
  const codes = new Map<number, string[]>();
  for (const [name, { exit }] of Object.entries(ERRORS)) codes.set(exit, [...(codes.get(exit) ?? []), name]);
  const shown = new Map(
    [...page.matchAll(/^\| (\d+) \| (`[A-Z]\w+`(?:, `\w+`)*) \|$/gm)].map((m) => [
      Number(m[1]),
      [...(m[2] as string).matchAll(/`(\w+)`/g)].map((x) => x[1] as string),
    ]),
  );
  codes.delete(1);
  assert.deepEqual(Object.fromEntries(shown), Object.fromEntries(codes));
});
