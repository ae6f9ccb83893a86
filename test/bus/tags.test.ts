import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileGlob, TagMatcher } from '../../bus/tag-match.ts';
import { isDroppedBySalt, isReserved, tags } from '../../bus/tags.ts';

const jid = '20300101100000000000';

test('a minion may fire its own start, beacons, progress and any tag of its users', () => {
  for (const tag of [
    tags.minionStart('m1'),
    tags.minionStartLegacy,
    tags.beacon('m1', 'load', 'x'),
    tags.jobProgress(jid, 'm1', 3),
    tags.jobStart(jid, 'm1'),
    tags.jobSubError(jid, 'm1', 'state.sls'),
    tags.minionRefresh('m1'),
    tags.saltError,
    'my/own/tag',
    'pkg.installed',
    'jobs/salt/key',
    'saltier/key',
  ])
    assert.equal(isReserved(tag, 'm1'), false, tag);
});

test('a minion may not fire what the master, a syndic or another minion fires, however it is spelled', () => {
  for (const tag of [
    tags.auth,
    tags.key,
    tags.keyRotation,
    tags.jobNew(jid),
    tags.jobPublish(jid),
    tags.jobReturn(jid, 'm1'),
    `salt/job/${jid}/return`,
    tags.jobError(jid),
    tags.jobError(''),
    tags.runNew(jid),
    tags.runReturn(jid),
    tags.wheelNew(jid),
    tags.wheelReturn(jid),
    tags.batchComplete(jid),
    tags.presencePresent,
    tags.presenceChange,
    tags.stats('MWorker-default-1'),
    tags.cloud('vm', 'created'),
    'salt/cluster/peer',
    tags.syndic('s1', 'x'),
    tags.syndicStart('s1'),
    tags.readerCut,
    tags.minionStart('m2'),
    tags.beacon('m2', 'load', ''),
    tags.jobProgress(jid, 'm2', 3),
    tags.jobSubError(jid, 'm2', 'state.sls'),
    tags.minionRefresh('m2'),
    tags.resourceRefresh('m2'),
    tags.fileserverUpdate('roots'),
    'salt//key',
    '/salt/key',
    'salt/minion/',
  ])
    assert.equal(isReserved(tag, 'm1'), true, tag);
});

test('a syndic may forward under its own name only', () => {
  assert.equal(isReserved('syndic/s1/salt/auth', 's1', { syndic: true }), false);
  assert.equal(isReserved('salt/syndic/s1/start', 's1', { syndic: true }), false);
  assert.equal(isReserved('syndic/s2/x', 's1', { syndic: true }), true);
});

test("the reference's own list is known: it drops keys and jobs, and lets salt/auth pass", () => {
  assert.ok(isDroppedBySalt('salt/key'));
  assert.ok(isDroppedBySalt('salt/job/1/new'));
  assert.ok(!isDroppedBySalt('salt/auth'));
});

test('globs match as Python does: stars cross slashes, sets may be negated, an unclosed bracket is itself', () => {
  const cases: [string, string, boolean][] = [
    ['salt/job/*/ret/*', 'salt/job/1/2/ret/m1', true],
    ['*', '', true],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['a[!b]c', 'abc', false],
    ['a[!b]c', 'axc', true],
    ['a[b-d]e', 'ace', true],
    ['a[b-d]e', 'ae', false],
    ['a[d-b]e', 'ace', false],
    ['a[', 'a[', true],
    ['[]]', ']', true],
    ['[!]]', ']', false],
    ['*a*b*c', 'xaybzc', true],
    ['*a*b*c', 'xaybzcd', false],
    ['a*\n', 'ab\n', true],
    ['A', 'a', false],
    ['?', '😀', true],
  ];
  for (const [glob, tag, expected] of cases) assert.equal(compileGlob(glob)(tag), expected, `${glob} on ${tag}`);
});

test('a glob of many stars stays quick on a tag made to defeat it', () => {
  const start = performance.now();
  assert.equal(compileGlob(`${'*a'.repeat(30)}*b`)('a'.repeat(5000)), false);
  assert.ok(performance.now() - start < 500);
});

test('one matcher for many globs answers as each glob alone would, while globs come and go', () => {
  const glob = fc.stringMatching(/^[ab/*?]{0,6}$/);
  const tag = fc.stringMatching(/^[ab/]{0,6}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(glob, fc.boolean()), { maxLength: 20 }), fc.array(tag), (globs, asked) => {
      const matcher = new TagMatcher<number>();
      const live: [string, number][] = [];
      const check = (): void => {
        for (const t of asked)
          assert.deepEqual(
            matcher.match(t),
            live.filter(([g]) => compileGlob(g)(t)).map(([, i]) => i),
          );
      };
      for (const [i, [g, stays]] of globs.entries()) {
        const remove = matcher.add(g, i);
        live.push([g, i]);
        check();
        if (stays) continue;
        remove();
        live.pop();
        check();
      }
    }),
    { numRuns: 60 },
  );
});
