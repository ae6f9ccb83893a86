import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quietLog } from '../../bus/log.ts';
import { mergeBy } from '../../sls/merge.ts';
import { dict, repr } from '../../sls/values.ts';

const rules = (strategy: string, lists: boolean, renderer = 'jinja|yaml') => ({
  strategy,
  lists,
  renderer,
  log: quietLog,
});

test('lists that meet keep their own repeats and take over what is new', () => {
  const merged = mergeBy(rules('smart', true), dict({ l: [1, 2, 2] }), dict({ l: [2, 3, 3] }));
  assert.equal(repr(merged), "{'l': [1, 2, 2, 3, 3]}");
});

test('what was merged in does not change when the result is changed', () => {
  const inner = dict({ x: 1 });
  const merged = mergeBy(rules('recurse', false), dict({}), dict({ a: inner }));
  mergeBy(rules('recurse', false), merged, dict({ a: dict({ x: 2 }) }));
  assert.equal(inner.get('x'), 1);
});

test('the strategies list, overwrite and aggregate differ where keys meet', () => {
  const [a, b] = [() => dict({ k: dict({ x: 1 }), o: 1 }), () => dict({ k: dict({ y: 2 }), n: 2 })];
  assert.equal(repr(mergeBy(rules('list', false), a(), b())), "{'k': [{'x': 1}, {'y': 2}], 'o': 1}");
  assert.equal(repr(mergeBy(rules('overwrite', false), a(), b())), "{'k': {'y': 2}, 'o': 1, 'n': 2}");
  assert.equal(repr(mergeBy(rules('aggregate', false), a(), b())), "{'k': {'y': 2}, 'o': 1, 'n': 2}");
  assert.equal(repr(mergeBy(rules('smart', false, 'jinja|yamlex'), a(), b())), "{'k': {'y': 2}, 'o': 1, 'n': 2}");
});
