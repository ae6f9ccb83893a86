import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quietLog } from '../../../bus/log.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { unifiedDiff } from '../../../minion/modules/file/diff.ts';
import { decide } from '../../../minion/state/requisite-status.ts';
import { checkedRetry } from '../../../minion/state/retry.ts';
import { parseCall } from '../../../minion/state/slots.ts';
import { isGoodRun } from '../../../minion/state/verdict.ts';

const dict = (o: Record<string, Py>): PyDict => new PyDict(Object.entries(o));
const chunk = (id: string): PyDict => dict({ state: 'test', __id__: id, name: id, fun: 'nop' });

test('a slot’s call is read with quotes, lists and keyword arguments', () => {
  assert.deepEqual(parseCall("test.arg('a b', c, k=[1, 2], q=\"x'y\")"), {
    fun: 'test.arg',
    args: ['a b', 'c'],
    kwargs: dict({ k: '[1,2]', q: "x'y" }),
  });
  assert.equal(parseCall('test.arg(a'), undefined);
  assert.equal(parseCall('test.arg'), undefined);
});

test('odd values of a retry count as absent, and false means one try', () => {
  assert.deepEqual(checkedRetry(dict({ attempts: 'x', interval: 3 }), quietLog), {
    until: true,
    attempts: 2,
    interval: 3,
    splay: 0,
  });
  assert.equal(checkedRetry(false, quietLog).attempts, 0);
});

test('what becomes of a chunk follows from the results of what it needs', () => {
  const results: Record<string, PyDict> = {
    good: dict({ result: true, changes: new PyDict() }),
    changed: dict({ result: true, changes: dict({ a: 1 }) }),
    bad: dict({ result: false, changes: new PyDict() }),
    skipped: dict({ result: true, changes: dict({ a: 1 }), skip_req: true }),
  };
  const status = (kind: string, ...ids: string[]): string =>
    decide(new PyDict<Py[]>([[kind, ids.map(chunk)]]), (_k, tag) => results[tag.split('_|-')[1] as string]);
  assert.equal(status('require', 'good', 'bad'), 'fail');
  assert.equal(status('require_any', 'good', 'bad'), 'met');
  assert.equal(status('require', 'unknown'), 'unmet');
  assert.equal(status('watch', 'good', 'changed'), 'change');
  assert.equal(status('watch', 'skipped'), 'skip_watch');
  assert.equal(status('onchanges', 'good', 'changed'), 'met');
  assert.equal(status('onchanges', 'bad'), 'onchanges');
  assert.equal(status('onchanges', 'skipped'), 'skip_req');
  assert.equal(status('onfail', 'bad', 'good'), 'met');
  assert.equal(status('onfail', 'good'), 'onfail');
  assert.equal(status('onfail_all', 'bad', 'good'), 'onfail');
  assert.equal(status('onfail', 'bad'), 'met');
});

test('a failure that an onfail with onfail_stop: False handled does not fail the run', () => {
  const running = new PyDict([
    ['test_|-a_|-a_|-fail', dict({ result: false, __id__: 'a' })],
    ['test_|-b_|-b_|-nop', dict({ result: true, __id__: 'b' })],
  ]);
  const high = (stop: Py): PyDict =>
    dict({
      a: dict({ test: ['fail'] }),
      b: dict({ test: ['nop', dict({ onfail: [dict({ test: 'a' })] }), dict({ onfail_stop: stop })] }),
    });
  assert.equal(isGoodRun(running, high(false)), true);
  assert.equal(isGoodRun(running, high(true)), false);
  assert.equal(isGoodRun(new PyDict()), false);
});

test('a diff has three lines of context and joins what is near', () => {
  const a = Array.from({ length: 20 }, (_, i) => `${i}\n`);
  const b = [...a.slice(0, 4), 'x\n', ...a.slice(5, 16), ...a.slice(17)];
  assert.deepEqual(unifiedDiff(a, b), [
    '--- \n',
    '+++ \n',
    '@@ -2,7 +2,7 @@\n',
    ...[' 1\n', ' 2\n', ' 3\n', '-4\n', '+x\n', ' 5\n', ' 6\n', ' 7\n'],
    '@@ -14,7 +14,6 @@\n',
    ...[' 13\n', ' 14\n', ' 15\n', '-16\n', ' 17\n', ' 18\n', ' 19\n'],
  ]);
  assert.deepEqual(unifiedDiff(a, a), []);
});
