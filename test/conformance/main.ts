/** `npm run conformance`: runs recorded answers of the reference against this build and counts, a line a category. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { GOLDEN } from './case-files.ts';
import { CATEGORIES, readBetter, tally } from './categories.ts';
import type { CaseResult } from './result.ts';

/** Where the recordings lie that are kept beside the repository and never in it. */
const BESIDE = '../shared/conformance';

const USAGE =
  'Usage: npm run conformance -- [--cases DIR] [--formulas DIR] [--category NAME]... [-v]\n' +
  `Categories: ${CATEGORIES.map((c) => c.name).join(', ')}\n`;

async function main(): Promise<number> {
  // Ends through `exit`, where daemons that are up are ended too.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const { values } = parseArgs({
    options: {
      cases: { type: 'string' },
      formulas: { type: 'string' },
      category: { type: 'string', multiple: true },
      verbose: { type: 'boolean', short: 'v', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const wanted = values.category?.flatMap((c) => c.split(','));
  const unknown = wanted?.filter((w) => !CATEGORIES.some((c) => c.name === w)) ?? [];
  if (unknown.length) {
    process.stderr.write(`There is no category ${unknown.join(', ')}.\n${USAGE}`);
    return 2;
  }
  const cases = values.cases === undefined ? GOLDEN : resolve(values.cases);
  if (!existsSync(cases)) {
    process.stderr.write(`There is no folder ${cases}.\n`);
    return 2;
  }
  const better = readBetter();
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  for (const category of CATEGORIES) {
    if (wanted && !wanted.includes(category.name)) continue;
    const began = performance.now();
    // Formulas are public, but their recordings are not part of the repository.
    const from = category.name === 'formulas' && values.cases === undefined ? BESIDE : cases;
    const results: CaseResult[] | undefined = await category.run({
      cases: from,
      ...(values.formulas === undefined ? {} : { formulas: resolve(values.formulas) }),
    });
    if (!results) {
      print(`${category.name}: 0 of 0 (no cases found in ${from})`);
      continue;
    }
    const t = tally(results, better[category.name]);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const more = t.better.length ? ` (${t.better.length} better)` : '';
    print(`${category.name}: ${t.passed} of ${t.total}${more}${values.verbose ? ` [${seconds} s]` : ''}`);
    for (const b of t.better) print(`  better: ${b.name}: ${b.reason}`);
    if (values.verbose && t.failed.length > 1 && t.failed.every((f) => f.detail === t.failed[0]?.detail))
      print(`  all ${t.failed.length} differ: ${t.failed[0]?.detail}`);
    else if (values.verbose)
      for (const f of t.failed) print(`  differs: ${f.name}\n${(f.detail ?? '').replace(/^/gm, '    ')}`);
  }
  return 0;
}

main().then(
  (code) => process.exit(code),
  (e: unknown) => {
    process.stderr.write(`The conformance runner failed: ${e instanceof Error ? e.stack : String(e)}\n`);
    process.exit(1);
  },
);
