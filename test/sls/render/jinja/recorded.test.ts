import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fnmatch } from '../../../../sls/fnmatch.ts';
import type { CallSource } from '../../../../sls/render/jinja.ts';
import { traverse } from '../../../../sls/traverse.ts';
import { deepCopy, isList, type Py, PyDict, repr, str, truth } from '../../../../sls/values.ts';
import { type JinjaMachine, runJinja } from '../../../conformance/jinja.ts';

/** Pillar answers outside a template render hide their leaves. */
function masked(v: Py): Py {
  if (v instanceof PyDict) return new PyDict([...v].map(([k, x]) => [k, masked(x)] as const));
  if (isList(v)) return v.map(masked);
  return typeof v !== 'object' && truth(v) ? '**********' : v;
}
function merge(into: Py, from: Py, lists = false): Py {
  if (!(into instanceof PyDict) || !(from instanceof PyDict)) return from;
  for (const [k, v] of from) {
    const old = into.get(k);
    into.set(
      k,
      old instanceof PyDict
        ? merge(old, v, lists)
        : lists && isList(old ?? null)
          ? [...(old as Py[]), ...(v as Py[])]
          : v,
    );
  }
  return into;
}
/** The execution functions that the recorded templates call, reduced to what they need. */
function machine(m: JinjaMachine): CallSource {
  const lookup = (v: Py, key: Py, fallback: Py): Py => traverse(v, str(key)) ?? fallback;
  const fns = new Map<string, (a: readonly Py[], kw: PyDict) => Py>([
    [
      'pillar.get',
      ([key, fallback], kw) => {
        const v = lookup(m.pillar, key as Py, fallback ?? '');
        return masked(kw.has('merge') ? merge(deepCopy(fallback as Py), deepCopy(v)) : v);
      },
    ],
    ['pillar.keys', ([key]) => [...(lookup(m.pillar, key as Py, null) as PyDict).keys()]],
    ['grains.get', ([key, fallback]) => lookup(m.grains, key as Py, fallback ?? '')],
    [
      'grains.filter_by',
      ([table], kw) => {
        const grain = lookup(m.grains, kw.get('grain') ?? 'os_family', []);
        const d = table as PyDict;
        const hit = [...d.keys()].find((k) => fnmatch(str(grain), str(k)));
        const v = hit === undefined ? (d.get('default') ?? null) : (d.get(hit) as Py);
        return kw.has('merge') ? merge(v, kw.get('merge') as Py) : v;
      },
    ],
    ['grains.has_value', ([key]) => truth(lookup(m.grains, key as Py, ''))],
    ['grains.equals', ([key, v]) => str(lookup(m.grains, key as Py, '')) === str(v as Py)],
    [
      'config.get',
      ([key]) =>
        traverse(m.opts, str(key as Py)) ?? traverse(m.grains, str(key as Py)) ?? lookup(m.pillar, key as Py, ''),
    ],
    ['test.echo', ([v]) => v as Py],
    ['test.ping', () => true],
    ['match.glob', ([p]) => fnmatch('m1', str(p as Py))],
    [
      'match.grain',
      ([p]) => {
        const [name, pattern] = str(p as Py).split(':') as [string, string];
        return fnmatch(str(lookup(m.grains, name, '')), pattern);
      },
    ],
    [
      'slsutil.merge',
      ([a, b], kw) =>
        kw.get('strategy') === 'overwrite'
          ? merge(a as Py, b as Py) && new PyDict([...(a as PyDict), ...(b as PyDict)])
          : merge(a as Py, b as Py, truth(kw.get('merge_lists') ?? false)),
    ],
    ['defaults.merge', ([a, b]) => merge(a as Py, b as Py)],
    ['file.basename', ([p]) => str(p as Py).replace(/^.*\//, '')],
    ['file.dirname', ([p]) => str(p as Py).replace(/\/[^/]*$/, '')],
  ]);
  return {
    has: (name) => fns.has(name),
    names: () => [...fns.keys()],
    call: (name, args = [], kw) => fns.get(name)?.(args, kw ?? new PyDict()) ?? repr(name),
  };
}

test('recorded templates render as the reference rendered them, errors included', () => {
  const results = runJinja('test/golden/sls/jinja.json', machine);
  assert.ok(results.length >= 297);
  const wrong = results.filter((r) => !r.ok);
  assert.deepEqual(wrong.map((r) => `${r.name}\n${r.detail}`).join('\n'), '');
});
