import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { SALT_CODENAME, SALT_VERSION } from '../bus/version.ts';

const ROOMS = ['bus', 'sls', 'returners', 'reactor', 'minion', 'master', 'api', 'test'];
const PLUGINS = [
  'returners',
  'sls/output',
  'minion/modules',
  'minion/states',
  'minion/grains',
  'minion/beacons',
  'master/runners',
  'master/wheel',
  'master/engines',
  'master/eauth',
  'master/pillars',
  'master/rosters',
];

function walk(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => {
    const path = join(dir, e.name);
    if (path === 'test/golden') return [];
    return e.isDirectory() ? [path, ...walk(path)] : [path];
  });
}
const paths = ROOMS.flatMap(walk);

test('no file or folder is named after nothing', () => {
  const bad = paths.filter((p) => /^(utils?|common|lib|helpers?|misc|shared)$/.test(basename(p).replace(/\.ts$/, '')));
  assert.deepEqual(bad, []);
});

test('machinery is kebab-case, plug-ins carry the name that operators type', () => {
  const bad = paths
    .filter((p) => p.endsWith('.ts') && !p.endsWith('.d.ts') && !p.startsWith('test/'))
    .filter((p) => {
      const dir = PLUGINS.find((d) => p.startsWith(`${d}/`) && !p.slice(d.length + 1).includes('/'));
      return dir
        ? !/^[a-z][a-z0-9_]*\.ts$/.test(basename(p))
        : !/^[a-z][a-z0-9-]*\.ts$/.test(basename(p)) && !/^[a-z0-9_]+\.ts$/.test(basename(p));
    });
  assert.deepEqual(bad, []);
});

test('default exports are for plug-ins only', () => {
  const bad = paths
    .filter((p) => p.endsWith('.ts') && !p.endsWith('.d.ts') && !PLUGINS.some((d) => p.startsWith(`${d}/`)))
    .filter((p) => /^export default /m.test(readFileSync(p, 'utf8')));
  assert.deepEqual(bad, []);
});

test('every export of a room has a doc comment', () => {
  const bad: string[] = [];
  for (const p of paths) {
    if (!p.endsWith('.ts') || p.endsWith('.d.ts') || p.startsWith('test/')) continue;
    const lines = readFileSync(p, 'utf8').split('\n');
    lines.forEach((line, i) => {
      const m =
        /^export (?:declare )?(?:async )?(?:abstract )?(?:function\*?|class|interface|type|const|enum) (\w+)/.exec(
          line,
        );
      if (!m) return;
      const before = (lines[i - 1] ?? '').trim();
      // Further signatures of an overloaded function share the first one's comment.
      if (before.startsWith(`export function ${m[1]}`)) return;
      if (
        !before.endsWith('*/') &&
        !lines.slice(0, 3).some((l) => l.startsWith('/**') && i < 20 && p.endsWith('contract.ts'))
      )
        bad.push(`${p}:${i + 1} ${m[1]}`);
    });
  }
  assert.deepEqual(bad, []);
});

test('the launchers print the version that the code names', () => {
  for (const name of readdirSync('bin')) {
    const text = readFileSync(join('bin', name), 'utf8');
    if (text.includes('--version ]'))
      assert.ok(text.includes(`echo "${name} ${SALT_VERSION} (${SALT_CODENAME})"`), name);
  }
});

test('no file speaks of unfinished work', () => {
  const bad = paths.filter(
    (p) => p.endsWith('.ts') && !p.startsWith('test/names') && /\b(TODO|FIXME|XXX)\b/.test(readFileSync(p, 'utf8')),
  );
  assert.deepEqual(bad, []);
});
