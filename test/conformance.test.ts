import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GOLDEN } from './conformance/case-files.ts';
import { CATEGORIES, readBetter, tally } from './conformance/categories.ts';

/** Recorded cases that come out as recorded, by category, of those that need no daemons. Numbers only ever rise. */
const REACHED: Readonly<Record<string, number>> = {
  captures: 183,
  matchers: 726,
  ckminions: 484,
  cliargs: 196,
  outputters: 503,
  config: 63,
  yaml: 183,
  jinja: 296,
  sls_compile: 215,
  pillar: 91,
  state_run: 140,
  reactor: 74,
};

const better = readBetter();
for (const category of CATEGORIES.filter((c) => !c.live && c.name !== 'formulas'))
  test(`${category.name}: no fewer recorded answers than were reached before`, async () => {
    const results = await category.run({ cases: GOLDEN });
    assert.ok(results?.length, 'no cases');
    const { passed, failed } = tally(results, better[category.name]);
    const least = REACHED[category.name];
    assert.ok(least !== undefined, 'the category is missing in the table');
    assert.ok(
      passed >= least,
      `${passed} of ${results.length}, before ${least}\n${failed.map((f) => `${f.name}: ${f.detail}`).join('\n')}`,
    );
  });

test('every exemption names a recorded case, which comes out otherwise, and tells why', async () => {
  for (const [name, reasons] of Object.entries(better)) {
    const category = CATEGORIES.find((c) => c.name === name);
    assert.ok(category, `${name} is no category`);
    for (const [which, reason] of Object.entries(reasons)) assert.ok(reason.length > 20, `${name}: ${which}`);
    if (category.live) continue;
    const results = (await category.run({ cases: GOLDEN })) ?? [];
    for (const which of Object.keys(reasons)) assert.equal(results.find((r) => r.name === which)?.ok, false, which);
  }
});
