import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { PyDict, toWire, type WireMap } from '../../bus/values.ts';
import core from '../../minion/grains/core.ts';
import disks from '../../minion/grains/disks.ts';
import extra from '../../minion/grains/extra.ts';
import lvm from '../../minion/grains/lvm.ts';
import mdadm from '../../minion/grains/mdadm.ts';
import minion_process from '../../minion/grains/minion_process.ts';
import package_ from '../../minion/grains/package.ts';
import truststore from '../../minion/grains/truststore.ts';
import { loadGrains } from '../../minion/grains.ts';

const bin = process.env['BRINE_SALT_REF'] ?? join(process.cwd(), '.ref/bin');
const salt = join(bin, 'salt-call');
const skip = !existsSync(salt) && `no reference at ${salt}: set BRINE_SALT_REF to the folder of its programs`;

/** What differs by nature: they name the program itself or its process. */
const OWN = new Set(['pythonexecutable', 'pythonpath', 'saltpath', 'pid', 'cwd']);
/** Lists that come in the order of a set or of a folder. */
const UNORDERED = new Set(['ipv4', 'ipv6', 'fqdn_ip4', 'fqdn_ip6', 'disks', 'ssds', 'fqdns']);

test('every grain of the reference on this machine is ours, with the same value', { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'grains-'));
  try {
    writeFileSync(join(dir, 'minion'), `id: m1\nroot_dir: ${dir}\nfile_client: local\nlog_file: ${dir}/log\n`);
    const out = execFileSync(salt, ['--local', '-c', dir, 'grains.items', '--out', 'json'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const want = (JSON.parse(out) as { local: WireMap }).local;
    const opts = new Opts(
      new PyDict([
        ['id', 'm1'],
        ['master', 'salt'],
      ]),
    );
    const modules = { core, disks, extra, lvm, mdadm, minion_process, package: package_, truststore };
    const got = JSON.parse(JSON.stringify(toWire(loadGrains(opts, quietLog, { modules })))) as WireMap;
    const names = (g: WireMap): string[] => Object.keys(g).sort();
    assert.deepEqual(names(got), names(want));
    const settled = (k: string, v: unknown): unknown => (UNORDERED.has(k) ? [...(v as string[])].sort() : v);
    for (const k of names(want))
      if (!OWN.has(k)) assert.deepEqual(settled(k, got[k]), settled(k, want[k]), `grain ${k}`);
    for (const k of ['ip_interfaces', 'hwaddr_interfaces', 'dns', 'systemd']) {
      const inOrder = (g: WireMap): string => JSON.stringify(Object.keys((g[k] ?? {}) as WireMap));
      assert.equal(inOrder(got), inOrder(want), `order of ${k}`);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
