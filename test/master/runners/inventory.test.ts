import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { docsOf, moduleNames } from '../../../master/run-docs.ts';
import { type Form, loadModule } from '../../../master/runner-call.ts';
import { argspec } from '../../../sls/bind.ts';
import { parseJson } from '../../../sls/json.ts';
import { type Py, type PyDict, toWire } from '../../../sls/values.ts';

/** Functions of ours that the reference does not have. */
const OURS = /^(queue\.(counts|jobs|dead|revive|remove)|returner\.\w+)$/;
/** Tuples as lists, as the inventory's JSON has them. */
function listed(v: unknown): unknown {
  if (Array.isArray(v)) return Array.from(v, listed);
  if (typeof v !== 'object' || v === null || Object.getPrototypeOf(v) !== Object.prototype) return v;
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, listed(x)]));
}

/** At least so many must be there. */
const LEAST: Record<Form, number> = { runner: 104, wheel: 33 };

const kinds = (parseJson(readFileSync(join('test/golden/cli/inventory.json'), 'utf8')) as PyDict).get(
  'kinds',
) as PyDict;

for (const form of ['runner', 'wheel'] as const)
  test(`every ${form} function takes the arguments that the reference's takes`, (t) => {
    const inventory = kinds.get(form) as PyDict<PyDict>;
    let covered = 0;
    for (const module of moduleNames(form))
      for (const [name, f] of Object.entries(loadModule(form, module)?.functions ?? {})) {
        const full = `${module}.${name}`;
        const theirs = inventory.get(full);
        if (OURS.test(full)) continue;
        assert.ok(theirs, `${full} is in no inventory and not among our own`);
        const expected = (toWire(theirs as Py) as { argspec?: unknown }).argspec ?? toWire(theirs as Py);
        assert.deepEqual(listed(toWire({ ...argspec(f.sig) } as Py)), listed(expected), full);
        covered++;
      }
    t.diagnostic(`${form} functions: ${covered} of ${inventory.size}`);
    assert.ok(covered >= LEAST[form], `${covered}`);
  });

test('every function is documented with an example, and documentation is found by name, module and pattern', () => {
  for (const form of ['runner', 'wheel'] as const)
    for (const [name, doc] of docsOf(form)) assert.match(doc, /\S[\s\S]*CLI Example:\n\n {4}salt-/, name);
  assert.deepEqual([...docsOf('runner', 'error').keys()], ['error.error']);
  assert.deepEqual([...docsOf('runner', 'jobs.last_run').keys()], ['jobs.last_run']);
  assert.deepEqual([...docsOf('runner', 'manage.not_*').keys()].length, 5);
  assert.equal(docsOf('runner', 'job').size, 0);
});
