import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Py, type PyDict, toWire, type Wire } from '../../../bus/values.ts';
import type { ExecutionModule, ModuleCtx } from '../../../minion/modules/contract.ts';
import kmod from '../../../minion/modules/kmod.ts';
import { fn } from '../../../sls/signature.ts';
import { dict, toList } from '../../../sls/values.ts';
import { smallMinion } from './small-minion.ts';

/** Stands for the commands of a kernel whose modules come and go. */
function machine(failure = ''): { answer: (name: string, ...args: Wire[]) => unknown; ran: string[][] } {
  const ran: string[][] = [];
  const mods = new Set(['ext4', 'kvm']);
  const cmd: ExecutionModule = {
    functions: {
      which: fn<ModuleCtx>('which(cmd)', '', (a) => `/sbin/${a['cmd'] as string}`),
      run: fn<ModuleCtx>('run(cmd)', '', () =>
        [
          'Module                  Size  Used by',
          ...[...mods].map((m) => `${m}  100  ${m === 'kvm' ? '2 kvm_amd,irq' : '0'}`),
        ].join('\n'),
      ),
      run_all: fn<ModuleCtx>('run_all(cmd, python_shell=None)', '', (a): PyDict => {
        const words = toList(a['cmd'] as Py) as string[];
        ran.push(words);
        if (failure) return dict({ retcode: 1, stderr: failure });
        if (words[0] === '/sbin/modprobe') mods.add(words[1] as string).add('dep');
        else mods.delete(words[1] as string);
        return dict({ retcode: 0, stderr: '' });
      }),
    },
  };
  const m = smallMinion({ kmod, cmd }, { grains: { kernel: 'Linux' } });
  return { ran, answer: (name, ...args) => toWire(m.call(`kmod.${name}`, args)) };
}

test('loaded modules are listed with what uses them', () => {
  const { answer } = machine();
  assert.deepEqual(answer('lsmod'), [
    { size: '100', module: 'ext4', depcount: '0', deps: [] },
    { size: '100', module: 'kvm', depcount: '2', deps: ['kvm_amd', 'irq'] },
  ]);
  assert.deepEqual(answer('mod_list'), ['ext4', 'kvm']);
  assert.equal(answer('is_loaded', 'kvm'), true);
  assert.equal(answer('is_loaded', 'zfs'), false);
});

test('loading and removing answer what came and went', () => {
  const { answer, ran } = machine();
  assert.deepEqual(answer('load', 'zfs opt=1'), ['dep', 'zfs']);
  assert.deepEqual(answer('remove', 'zfs'), ['zfs']);
  assert.deepEqual(ran, [
    ['/sbin/modprobe', 'zfs', 'opt=1'],
    ['/sbin/rmmod', 'zfs'],
  ]);
});

test('a failure is told with the text of the command', () => {
  const { answer } = machine('not found');
  assert.equal(answer('load', 'x'), 'Error loading module x: not found');
  assert.equal(answer('remove', 'x'), 'Error removing module x: not found');
});

test('kmod does not load on other kernels', () => {
  const { ctx } = smallMinion({}, { grains: { kernel: 'FreeBSD' } });
  assert.deepEqual(kmod.virtual(ctx), { reason: 'kmod only works on Linux' });
});
