import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Py, PyDict, toWire, type Wire } from '../../../bus/values.ts';
import type { ExecutionModule } from '../../../minion/modules/contract.ts';
import { argspec } from '../../../sls/bind.ts';

/** Defaults that the machine of the recording gave: the inventory was taken with this login shell. */
process.env['SHELL'] = '/bin/bash';

interface Inventory {
  kinds: { execution: { [name: string]: { argspec: Wire } } };
}
const inventory = (JSON.parse(readFileSync('test/golden/cli/inventory.json', 'utf8')) as Inventory).kinds.execution;
const folder = 'minion/modules';

/** The name a module of ours answers to: its own, or the one its `virtual` gives on a Debian with systemd. */
const NAMES: { readonly [file: string]: string } = {
  aptpkg: 'pkg',
  dpkg_lowpkg: 'lowpkg',
  debian_service: 'service',
  systemd_service: 'service (systemd)',
  linux_sysctl: 'sysctl',
  linux_shadow: 'shadow',
  useradd: 'user',
  groupadd: 'group',
  localemod: 'locale',
  debian_ip: 'ip',
  mod_random: 'random',
  environmod: 'environ',
  virtualenv_mod: 'virtualenv',
};

async function modules(): Promise<Map<string, ExecutionModule>> {
  const out = new Map<string, ExecutionModule>();
  const built = join(process.cwd(), process.env['BRINE_BUILD'] ?? '.build', folder);
  for (const f of readdirSync(built).sort()) {
    if (!f.endsWith('.js')) continue;
    const name = f.slice(0, -3);
    const m = (await import(join(built, f))) as { default?: { default?: ExecutionModule } & ExecutionModule };
    const plugIn = m.default?.default ?? m.default;
    if (plugIn?.functions) out.set(NAMES[name] ?? name, plugIn);
  }
  return out;
}

const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(toWire(v as Py)));

test('every function of ours takes exactly the arguments the reference’s takes', async () => {
  const own = await modules();
  assert.ok(own.size > 5, 'the modules are built');
  const wrong: string[] = [];
  const extra: string[] = [];
  let covered = 0;
  for (const [module, plugIn] of own)
    for (const [raw, f] of Object.entries(plugIn.functions)) {
      const name = `${module}.${plugIn.aliases?.[raw] ?? raw}`;
      const want = inventory[name];
      if (!want) {
        extra.push(name);
        continue;
      }
      covered++;
      const got = plain(new PyDict(Object.entries(argspec(f.sig)) as [Py, Py][]));
      try {
        assert.deepEqual(got, want.argspec);
      } catch {
        wrong.push(`${name}: ${JSON.stringify(got)} but the reference has ${JSON.stringify(want.argspec)}`);
      }
      if (!/CLI Examples?::?/.test(f.doc)) wrong.push(`${name}: its text has no "CLI Example:" part`);
    }
  const total = Object.keys(inventory).length;
  const missing = Object.keys(inventory)
    .filter((n) => own.has(n.split('.')[0] as string))
    .filter((n) => {
      const [module = '', fun = ''] = n.split('.');
      const m = own.get(module) as ExecutionModule;
      return !(fun in m.functions) && !Object.values(m.aliases ?? {}).includes(fun);
    });
  console.log(`execution modules: ${covered} of ${total} functions`);
  if (missing.length) console.log(`missing in modules we have: ${missing.join(' ')}`);
  if (extra.length) console.log(`not in the inventory: ${extra.join(' ')}`);
  assert.deepEqual(wrong, []);
});
