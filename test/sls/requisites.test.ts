import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { compileHigh } from '../../sls/high-state.ts';
import { dict, str } from '../../sls/values.ts';

const place = { opts: new Opts(), log: quietLog, grains: new PyDict(), hasState: () => true };
const state = (args: Py[], mod = 'test'): PyDict => dict({ __sls__: 'a', __env__: 'base', [mod]: ['nop', ...args] });
const ids = (chunks: readonly PyDict[]): string[] => chunks.map((c) => str(c.get('__id__') as Py));

test('states run after all that they require, whatever order they are written in', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.nat(30), { maxLength: 4 }), { minLength: 1, maxLength: 30 }), (needs) => {
      const high = new PyDict<Py>(
        needs.map((list, i) => [
          `s${i}`,
          state([
            dict({ require: [...new Set(list.filter((n) => n < i))].map((n) => dict({ test: `s${n}` })) }),
            dict({ order: 1000 - i }),
          ]),
        ]),
      );
      const { chunks, errors } = compileHigh(high, place);
      assert.deepEqual(errors, []);
      const at = new Map(ids(chunks).map((id, i) => [id, i]));
      for (const [i, list] of needs.entries())
        for (const n of list) if (n < i) assert.ok((at.get(`s${n}`) as number) < (at.get(`s${i}`) as number));
    }),
    { numRuns: 60 },
  );
});

test('a state that others prereq is tried before them and run after them', () => {
  const high = new PyDict<Py>([
    ['a', state([dict({ prereq: [dict({ test: 'b' })] })])],
    ['b', state([])],
  ]);
  const { chunks, graph } = compileHigh(high, place);
  assert.deepEqual(ids(chunks), ['b', 'a', 'b']);
  assert.equal(chunks[0]?.get('__prereq__'), true);
  assert.deepEqual(
    graph.dependencies(chunks[1] as PyDict).map((d) => [d.kind, str(d.chunk.get('__id__') as Py)]),
    [['prereq', 'b']],
  );
});

test('states of a kind that may run in one are grouped, but for those that need one of the group', () => {
  const agg = dict({ aggregate: true });
  const high = new PyDict<Py>([
    ['a', state([agg], 'pkg')],
    ['b', state([agg], 'pkg')],
    ['c', state([dict({ require: [dict({ pkg: 'a' })] })])],
    ['d', state([agg, dict({ require: [dict({ test: 'c' })] })], 'pkg')],
  ]);
  const { chunks, graph } = compileHigh(high, place);
  assert.deepEqual(ids(graph.joined(chunks[0] as PyDict)), ['a', 'b']);
  assert.deepEqual(graph.joined(chunks.at(-1) as PyDict), []);
});

test('requisites in a circle are told as a path', () => {
  const need = (id: string): PyDict => state([dict({ require: [dict({ test: id })] })]);
  const { chunks, errors } = compileHigh(
    new PyDict<Py>([
      ['a', need('b')],
      ['b', need('a')],
    ]),
    place,
  );
  assert.deepEqual(chunks, []);
  assert.match(errors[0] ?? '', /^Recursive requisites were found: .*'ID': 'a'.*'require'.*'ID': 'b'/);
});
