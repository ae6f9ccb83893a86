import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { type PyDict, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import type { Beacon } from '../../minion/beacons/contract.ts';
import diskusage from '../../minion/beacons/diskusage.ts';
import load from '../../minion/beacons/load.ts';
import memusage from '../../minion/beacons/memusage.ts';
import ps from '../../minion/beacons/ps.ts';
import swapusage from '../../minion/beacons/swapusage.ts';
import { Beacons } from '../../minion/beacons.ts';

const broken: Beacon = {
  validate: () => undefined,
  look: () => {
    throw new Error('no sensor');
  },
};
const known: Record<string, Beacon> = { diskusage, load, memusage, ps, swapusage, broken };

function bench(beacons: unknown, pillar: unknown = {}) {
  const lines: string[] = [];
  const seen: WireMap[] = [];
  const state = { runs: false };
  const b = new Beacons({
    opts: new Opts(toPy({ id: 'm', beacons } as Wire) as PyDict),
    log: new Log('t', (r) => void lines.push(r.message)),
    pillar: () => toPy(pillar as Wire) as PyDict,
    stateRuns: () => state.runs,
    seen: (events) => void seen.push(...events),
    find: (name) => known[name],
  });
  return { b, lines, seen, state };
}
const shown = (e: WireMap | undefined): unknown => JSON.parse(JSON.stringify(e));

test('a threshold that is passed is an event under the beacon’s tag, one that is not is none', () => {
  const { b, seen } = bench({
    memusage: [{ percent: '0%' }],
    swapusage: [{ percent: 101 }],
    load: [{ averages: { '1m': [-2, -1] } }],
    diskusage: [{ '/': '0%' }],
  });
  b.tick(0);
  assert.deepEqual(
    seen.map((e) => [e['tag'], e['beacon_name'], Object.keys(e['data'] as WireMap)]),
    [
      ['salt/beacon/m/memusage/', 'memusage', ['memusage', 'id']],
      ['salt/beacon/m/load/', 'load', ['1m', '5m', '15m', 'id']],
      ['salt/beacon/m/diskusage/', 'diskusage', ['diskusage', 'mount', 'id']],
    ],
  );
});

test('ps tells of processes that run and that do not', () => {
  const { b, seen } = bench({ ps: [{ processes: { 'no-such-thing': 'stopped', 'nor-this': 'running' } }] });
  b.tick(0);
  assert.deepEqual(seen.map(shown), [
    { tag: 'salt/beacon/m/ps/', data: { 'no-such-thing': 'Stopped', id: 'm' }, beacon_name: 'ps' },
  ]);
});

test('interval, enabled and disable_during_state_run say when a beacon is looked at; several names share a module', () => {
  const { b, seen, state } = bench({
    slow: [{ percent: 0 }, { interval: 5 }, { beacon_module: 'memusage' }],
    off: [{ percent: 0 }, { enabled: false }, { beacon_module: 'memusage' }],
    shy: [{ percent: 0 }, { disable_during_state_run: true }, { beacon_module: 'memusage' }],
  });
  state.runs = true;
  for (let s = 0; s < 11; s++) b.tick(s * 1000);
  assert.deepEqual(
    seen.map((e) => e['tag']),
    ['salt/beacon/m/slow/', 'salt/beacon/m/slow/'],
  );
  state.runs = false;
  b.tick(11_000);
  assert.equal(seen.at(-1)?.['tag'], 'salt/beacon/m/shy/');
});

test('a beacon that is misconfigured, unknown or throws is told once, and the others go on', () => {
  const { b, lines, seen } = bench({ memusage: [{ limit: 1 }], nosuch: [], ps: 'all', broken: [] }, { load: [] });
  b.tick(0);
  b.tick(1000);
  assert.deepEqual(lines, [
    'Beacon memusage configuration invalid, not running.\nConfiguration for memusage beacon requires percent.',
    'Unable to process beacon nosuch',
    'Beacon ps configuration invalid, not running.\nConfiguration for ps beacon must be a list.',
    'Unable to start broken beacon, no sensor',
  ]);
  assert.equal(seen[0]?.['error'], 'no sensor');
});

test('beacons of the pillar run, and enabled: False stops them all', () => {
  const { b, seen } = bench({}, { beacons: { memusage: [{ percent: 0 }] } });
  b.tick(0);
  assert.equal(seen.length, 1);
  const off = bench({ enabled: false, memusage: [{ percent: 0 }] });
  off.b.tick(0);
  assert.equal(off.seen.length, 0);
});
