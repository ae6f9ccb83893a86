import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PROGRAMS } from '../../sls/cli-option-table.ts';

const page = readFileSync('docs/commands.md', 'utf8');
/** The page in parts by `## `; what stands before the first command is for all of them. */
const parts = new Map(page.split(/^## /m).map((p) => [p.split('\n')[0] as string, p]));
const forAll = parts.get('Options of all Salt commands') ?? '';

test('every command has a part of its own', () => {
  assert.deepEqual(
    readdirSync('bin').filter((name) => !parts.has(name)),
    [],
  );
});

test('every option of every command is on the page', () => {
  const missing: string[] = [];
  for (const [name, program] of Object.entries(PROGRAMS)) {
    const text = `${forAll}\n${parts.get(name) ?? ''}`;
    for (const o of [...program.options, ...program.groups.flatMap((g) => g.options)])
      for (const flag of o.flags) if (!text.includes(`\`${flag}\``)) missing.push(`${name} ${flag}`);
  }
  assert.deepEqual(missing, []);
});

test('no option is on the page that no command takes', () => {
  const known = new Set(
    Object.values(PROGRAMS).flatMap((p) =>
      [...p.options, ...p.groups.flatMap((g) => g.options)].flatMap((o) => o.flags),
    ),
  );
  for (const name of ['eventlisten', 'brine-swarm']) {
    const source = readFileSync(
      name === 'eventlisten' ? 'master/cli/eventlisten.ts' : 'minion/cli/brine-swarm.ts',
      'utf8',
    );
    for (const m of source.matchAll(/(?<![\w-])--?[a-z][a-z-]*/g)) known.add(m[0]);
  }
  const shown = [...page.matchAll(/`(--?[a-zA-Z][\w-]*)`/g)].map((m) => m[1] as string);
  assert.deepEqual(
    [...new Set(shown)].filter((f) => !known.has(f)),
    [],
  );
});
