import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Opts } from '../../bus/opts.ts';
import { type PyDict, toPy, type WireMap } from '../../bus/values.ts';
import { asctime } from '../../minion/master-talk.ts';
import { masterAddress, masterGroups } from '../../minion/masters.ts';

const groups = (o: WireMap, random?: () => number): string[][] =>
  masterGroups(new Opts(toPy(o) as PyDict), random).map((g) => g.map((m) => `${m.host}:${m.port}`));

test('a master is a name, a name with a port, or an IPv6 address in brackets', () => {
  assert.deepEqual(masterAddress('salt', 4506), { host: 'salt', port: 4506 });
  assert.deepEqual(masterAddress('10.0.0.1:4606', 4506), { host: '10.0.0.1', port: 4606 });
  assert.deepEqual(masterAddress('[::1]:4606', 4506), { host: '::1', port: 4606 });
  assert.deepEqual(masterAddress('fe80::1', 4506), { host: 'fe80::1', port: 4506 });
  assert.throws(
    () => masterAddress('', 4506),
    (e: { exitCode: number }) => e.exitCode === 42,
  );
});

test('several masters make as many connections, failover makes one, disable none', () => {
  assert.deepEqual(groups({ master: ['a', 'b:1'] }), [['a:4506'], ['b:1']]);
  assert.deepEqual(groups({ master: ['a', 'b'], master_type: 'failover' }), [['a:4506', 'b:4506']]);
  assert.deepEqual(groups({ master: 'a', master_type: 'disable' }), []);
  assert.deepEqual(groups({ master: 'a', master_port: 9 }), [['a:9']]);
});

test('random_master shuffles the members; with master_failback the first stays first', () => {
  const o = { master: ['a', 'b', 'c'], master_type: 'failover', random_master: true };
  assert.deepEqual(
    groups(o, () => 0),
    [['b:4506', 'c:4506', 'a:4506']],
  );
  assert.deepEqual(
    groups({ ...o, master_failback: true }, () => 0),
    [['a:4506', 'c:4506', 'b:4506']],
  );
});

test('the time of a start is written as C writes it', () => {
  assert.equal(asctime(new Date(2026, 10, 3, 5, 2, 9)), 'Tue Nov  3 05:02:09 2026');
});
