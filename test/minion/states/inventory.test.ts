import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Py, PyDict, toWire, type Wire } from '../../../bus/values.ts';
import type { StateModule } from '../../../minion/states/contract.ts';
import { argspec } from '../../../sls/bind.ts';

interface Inventory {
  kinds: { state: { [name: string]: { argspec: Wire } } };
}
const inventory = (JSON.parse(readFileSync('test/golden/cli/inventory.json', 'utf8')) as Inventory).kinds.state;
/** Names under which modules load that have another file name. */
const NAMES: { readonly [file: string]: string } = { saltmod: 'salt', ini_manage: 'ini', virtualenv_mod: 'virtualenv' };

test('every state function of ours takes exactly the arguments the reference’s takes', async () => {
  const built = join(process.cwd(), process.env['BRINE_BUILD'] ?? '.build', 'minion/states');
  const wrong: string[] = [];
  const extra: string[] = [];
  const own = new Set<string>();
  let covered = 0;
  for (const f of readdirSync(built).filter((n) => n.endsWith('.js'))) {
    const m = (await import(join(built, f))) as { default?: { default?: StateModule } & StateModule };
    const plugIn = m.default?.default ?? m.default;
    if (!plugIn?.functions) continue;
    const module = NAMES[f.slice(0, -3)] ?? f.slice(0, -3);
    own.add(module);
    for (const [fun, def] of Object.entries(plugIn.functions)) {
      const name = `${module}.${fun}`;
      const want = inventory[name];
      if (!want) {
        extra.push(name);
        continue;
      }
      covered++;
      const got = JSON.parse(JSON.stringify(toWire(new PyDict(Object.entries(argspec(def.sig)) as [Py, Py][]))));
      try {
        assert.deepEqual(got, want.argspec);
      } catch {
        wrong.push(`${name}: ${JSON.stringify(got)} but the reference has ${JSON.stringify(want.argspec)}`);
      }
      assert.ok(def.doc.length > 10, `${name} says what it does`);
    }
    const missing = Object.keys(inventory).filter(
      (n) => n.startsWith(`${module}.`) && !(n.slice(module.length + 1) in plugIn.functions),
    );
    if (missing.length) console.log(`missing in modules we have: ${missing.join(' ')}`);
  }
  console.log(`state functions: ${covered} of ${Object.keys(inventory).length}`);
  if (extra.length) console.log(`not in the inventory: ${extra.join(' ')}`);
  assert.ok(own.size >= 3, 'the states are built');
  assert.deepEqual(wrong, []);
});
