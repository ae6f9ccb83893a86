import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type Py, toWire, type Wire, type WireMap } from '../../../bus/values.ts';
import environ from '../../../minion/modules/environ.ts';
import { smallMinion } from './small-minion.ts';

const m = smallMinion({ environ });
const answer = (name: string, args: Wire[] = [], kw: WireMap = {}): Wire =>
  toWire(m.call(`environ.${name}`, args, kw) as Py);
const before = { ...process.env };
after(() => {
  for (const k of Object.keys(process.env)) if (!(k in before)) delete process.env[k];
});

test('a variable is set, emptied and removed', () => {
  assert.equal(answer('setval', ['BRINE_A', 'x']), 'x');
  assert.equal(answer('get', ['BRINE_A']), 'x');
  assert.equal(answer('setval', ['BRINE_A', false]), '');
  assert.equal(answer('has_value', ['BRINE_A']), true);
  assert.equal(answer('setval', ['BRINE_A', false], { false_unsets: true }), null);
  assert.equal(answer('has_value', ['BRINE_A']), false);
});

test('only text and False are values', () => {
  assert.equal(answer('setval', ['BRINE_A', 3]), false);
  assert.equal(answer('setenv', [{ BRINE_A: 5 }]), false);
  assert.equal(answer('setenv', ['x']), false);
  assert.equal(answer('setval', ['BAD=NAME', 'x']), false);
});

test('several are set and read at once', () => {
  assert.deepEqual(answer('setenv', [{ BRINE_B: '1', BRINE_C: false }]), { BRINE_B: '1', BRINE_C: '' });
  assert.deepEqual(answer('item', [['BRINE_B', 'BRINE_NONE']], { default: 'd' }), { BRINE_B: '1', BRINE_NONE: 'd' });
  assert.equal(answer('has_value', ['BRINE_B', '2']), false);
  assert.equal((answer('items') as WireMap)['BRINE_B'], '1');
  assert.equal(answer('get', [3]), false);
});

test('clear_all removes what is not named', () => {
  const all = { ...process.env };
  try {
    process.env['BRINE_D'] = 'x';
    const r = answer('setenv', [{ ...(before as WireMap), BRINE_E: 'e' }], {
      clear_all: true,
      false_unsets: true,
    }) as WireMap;
    assert.equal(r['BRINE_D'], null);
    assert.equal(process.env['BRINE_D'], undefined);
    assert.equal(process.env['BRINE_E'], 'e');
  } finally {
    Object.assign(process.env, all);
  }
});
