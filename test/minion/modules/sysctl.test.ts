import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Py, type PyDict, toWire, type Wire } from '../../../bus/values.ts';
import type { ExecutionModule, ModuleCtx } from '../../../minion/modules/contract.ts';
import sysctl from '../../../minion/modules/sysctl.ts';
import { fn } from '../../../sls/signature.ts';
import { dict, toList } from '../../../sls/values.ts';
import { smallMinion } from './small-minion.ts';

const dir = mkdtempSync(join(tmpdir(), 'sysctl-'));
after(() => rmSync(dir, { recursive: true }));

/** A kernel of one's own: real parameter names, values that no test changes for real. */
const kernel = new Map([
  ['vm.swappiness', '60'],
  ['kernel.printk', '4\t4\t1\t7'],
]);
const words = (v: Py): string[] => toList(v) as string[];
const cmd: ExecutionModule = {
  functions: {
    which: fn<ModuleCtx>('which(cmd)', '', () => '/sbin/sysctl'),
    run: fn<ModuleCtx>('run(cmd, python_shell=None)', '', (a) => kernel.get(words(a['cmd'] as Py)[2] as string) ?? ''),
    run_stdout: fn<ModuleCtx>('run_stdout(cmd, output_loglevel=None)', '', () =>
      [...kernel].map(([k, v]) => `${k} = ${v}`).join('\n'),
    ),
    run_all: fn<ModuleCtx>('run_all(cmd, python_shell=None)', '', (a): PyDict => {
      const [name = '', value = ''] = (words(a['cmd'] as Py)[2] as string).split('=');
      if (value === 'bad') return dict({ retcode: 255, stdout: '', stderr: 'setting key: Invalid argument' });
      kernel.set(name, value);
      return dict({ retcode: 0, stdout: `${name} = ${value}`, stderr: '' });
    }),
  },
};
const m = smallMinion({ sysctl, cmd }, { grains: { kernel: 'Linux' } });
const answer = (name: string, ...args: Wire[]): unknown => toWire(m.call(`sysctl.${name}`, args));

test('parameters are shown from the kernel and from files', () => {
  assert.deepEqual(answer('show'), { 'vm.swappiness': '60', 'kernel.printk': '4\t4\t1\t7' });
  writeFileSync(join(dir, 'a'), '# x = 1\nvm.swappiness=10\n kernel.printk =  1 2\n');
  assert.deepEqual(answer('show', join(dir, 'a')), { 'vm.swappiness': '10', 'kernel.printk': '1 2' });
  assert.deepEqual(answer('show', join(dir, 'none')), []);
  assert.equal(answer('get', 'vm.swappiness'), '60');
});

test('setting a parameter answers it, and a refusal is told', () => {
  assert.deepEqual(answer('assign', 'vm.swappiness', 30), { 'vm.swappiness': '30' });
  assert.throws(() => answer('assign', 'vm.swappiness', 'bad'), {
    name: 'CommandExecutionError',
    message: 'sysctl -w failed: setting key: Invalid argument',
  });
  assert.throws(() => answer('assign', 'no.such', 1), { message: 'sysctl no.such does not exist' });
});

test('a kept parameter replaces its line and is written once', () => {
  const path = join(dir, 'new/99.conf');
  assert.equal(answer('persist', 'vm.swappiness', 40, path), 'Updated');
  assert.equal(readFileSync(path, 'utf8'), '#\n# Kernel sysctl configuration\n#\nvm.swappiness = 40\n');
  assert.equal(answer('persist', 'vm.swappiness', 40, path), 'Already set');
  kernel.set('vm.swappiness', '1');
  assert.equal(answer('persist', 'vm.swappiness', 40, path), 'Updated');
  assert.equal(kernel.get('vm.swappiness'), '40');
  assert.equal(answer('persist', 'vm.swappiness', 41, path), 'Updated');
  assert.match(readFileSync(path, 'utf8'), /#\nvm\.swappiness = 41\n$/);
});
