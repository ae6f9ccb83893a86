import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Log } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { PyDict, PyTuple, toPy, toWire, type WireMap } from '../../bus/values.ts';
import type { GrainsModule } from '../../minion/grains/contract.ts';
import extra from '../../minion/grains/extra.ts';
import { type GrainsRequest, loadGrains } from '../../minion/grains.ts';
import { distributionGrains } from '../../minion/machine/distribution.ts';
import { gpuGrains } from '../../minion/machine/hardware.ts';
import { parseZone } from '../../minion/machine/time-zone.ts';

const dir = mkdtempSync(join(tmpdir(), 'grains-'));
after(() => rmSync(dir, { recursive: true }));

const made: string[] = [];
const module = (answers: { [fun: string]: WireMap }, provides?: GrainsModule['provides']): GrainsModule => ({
  functions: Object.fromEntries(
    Object.entries(answers).map(([fun, v]) => [
      fun,
      () => {
        made.push(fun);
        return toPy(v) as PyDict;
      },
    ]),
  ),
  ...(provides ? { provides } : {}),
});

function load(
  opts: WireMap,
  modules: Record<string, GrainsModule>,
  request: GrainsRequest = {},
): { grains: WireMap; lines: string[] } {
  const lines: string[] = [];
  made.length = 0;
  const log = new Log('t', (r) => lines.push(`${r.level}: ${r.message}`), 0);
  const all = new Opts(toPy({ cachedir: dir, ...opts }) as PyDict);
  return { grains: toWire(loadGrains(all, log, { modules, ...request })) as WireMap, lines };
}

test('later modules and the configuration lie over earlier ones, whole keys at a time', () => {
  const modules = { a: module({ one: { x: 1, d: { a: 1 } } }), b: module({ two: { x: 2, d: { b: 2 } } }) };
  assert.deepEqual(load({ grains: { x: 3 } }, modules).grains, { x: 3, d: { b: 2 } });
  assert.deepEqual(load({ grains_deep_merge: true, grains: { d: { c: 3 } } }, modules).grains, {
    x: 2,
    d: { a: 1, b: 2, c: 3 },
  });
});

test('the grains file beside the configuration is read, and a broken one told of', () => {
  writeFileSync(join(dir, 'minion'), '');
  writeFileSync(join(dir, 'grains'), 'role: web\nrack: 7\n');
  const only = { extra: { functions: { config: extra.functions.config } } };
  assert.deepEqual(load({ conf_file: join(dir, 'minion') }, only).grains, { role: 'web', rack: 7 });
  writeFileSync(join(dir, 'grains'), 'role: [web\n');
  const broken = load({ conf_file: join(dir, 'minion') }, only);
  assert.deepEqual(broken.grains, {});
  assert.ok(broken.lines.some((l) => l.startsWith('warning: Bad syntax in grains file! Skipping.')));
});

test('grains on the blacklist are left out, by glob and by expression', () => {
  const modules = { a: module({ one: { ip4: 1, ip6: 2, os: 3, oscodename: 4 } }) };
  assert.deepEqual(load({ grains_blacklist: ['ip*', 'os\\w+'] }, modules).grains, { os: 3 });
});

test('only what is asked for is worked out', () => {
  const modules = { a: module({ one: { x: 1 }, two: { y: 2 }, any: { z: 3 } }, { one: ['x'], two: ['y'] }) };
  assert.deepEqual(load({}, modules, { only: ['y'] }).grains, { y: 2, z: 3 });
  assert.deepEqual(made, ['two', 'any']);
});

test('a function that fails is told of and the others’ grains stay', () => {
  const bad: GrainsModule = {
    functions: {
      broken: () => {
        throw new Error('no luck');
      },
    },
  };
  const r = load({}, { a: bad, b: module({ one: { x: 1 } }) });
  assert.deepEqual(r.grains, { x: 1 });
  assert.deepEqual(r.lines, [
    'critical: Failed to load grains defined in grain file a in function broken, error: no luck',
  ]);
});

test('a young cache is the answer, an old one is not, and tuples come back as such', () => {
  const modules = { a: { functions: { one: () => new PyDict([['osrelease_info', PyTuple.from_([12, 4])]]) } } };
  const opts = { grains_cache: true, grains_cache_expiration: 60 };
  load(opts, modules);
  const path = join(dir, 'grains.cache.p');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const other = { a: module({ one: { fresh: true } }) };
  const log = new Log('t', () => undefined);
  const cached = loadGrains(new Opts(toPy({ cachedir: dir, ...opts }) as PyDict), log, { modules: other });
  assert.ok(cached.get('osrelease_info') instanceof PyTuple);
  assert.deepEqual(load(opts, other, { refresh: true }).grains, { fresh: true });
  load(opts, modules, { refresh: true });
  const old = Date.now() / 1000 - 61;
  utimesSync(path, old, old);
  assert.deepEqual(load(opts, other).grains, { fresh: true });
  assert.deepEqual(load({ skip_grains: true }, other).grains, {});
});

test('distributions get the names operators know', () => {
  const of = (osRelease: string, more: { lsbRelease?: string; centosRelease?: string } = {}): WireMap =>
    toWire(
      distributionGrains({ osRelease, lsbRelease: more.lsbRelease, centosRelease: more.centosRelease }),
    ) as WireMap;
  const pick = (g: WireMap): unknown[] => ['os', 'os_family', 'osfullname', 'osrelease', 'oscodename'].map((k) => g[k]);
  assert.deepEqual(pick(of('NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n')), [
    'Debian',
    'Debian',
    'Debian GNU/Linux',
    '13',
    'trixie',
  ]);
  assert.deepEqual(
    pick(
      of(
        'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION="9.4 (Blue Onyx)"\nVERSION_ID="9.4"\nPRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\n',
      ),
    ),
    ['Rocky', 'RedHat', 'Rocky Linux', '9.4', 'Blue Onyx'],
  );
  assert.deepEqual(
    pick(
      of('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n', {
        lsbRelease: 'DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=24.04\nDISTRIB_CODENAME=noble\n',
      }),
    ),
    ['Ubuntu', 'Debian', 'Ubuntu', '24.04', 'noble'],
  );
  assert.deepEqual(
    pick(
      of(
        'NAME="openSUSE Leap"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\nPRETTY_NAME="openSUSE Leap 15.6"\nCPE_NAME="cpe:/o:opensuse:leap:15.6"\n',
      ),
    ).slice(0, 4),
    ['SUSE', 'Suse', 'Leap', '15.6'],
  );
});

test('graphics cards are told from other devices', () => {
  const out =
    'Slot:\t00:00.0\nClass:\tHost bridge\nVendor:\tIntel\nDevice:\tX\n\nSlot:\t01:00.0\nClass:\tVGA compatible controller\nVendor:\tNVIDIA Corporation\nDevice:\tGA102\n\n';
  assert.deepEqual(toWire(gpuGrains(out)), { num_gpus: 1, gpus: [{ vendor: 'nvidia', model: 'GA102' }] });
});

test('the name of the time zone in force is found, after the last listed change by the rule at the end', () => {
  const zone = (
    types: [offset: number, dst: number, at: number][],
    names: string,
    changes: [number, number][],
    rule: string,
  ): Buffer => {
    const head = Buffer.alloc(44);
    head.write('TZif2');
    const wide = Buffer.from(head);
    wide.writeUInt32BE(changes.length, 32);
    wide.writeUInt32BE(types.length, 36);
    wide.writeUInt32BE(names.length, 40);
    const times = Buffer.alloc(changes.length * 9);
    changes.forEach(([t, k], i) => {
      times.writeBigInt64BE(BigInt(t), i * 8);
      times[changes.length * 8 + i] = k;
    });
    const kinds = Buffer.alloc(types.length * 6);
    types.forEach(([o, d, at], i) => {
      kinds.writeInt32BE(o, i * 6);
      kinds[i * 6 + 4] = d;
      kinds[i * 6 + 5] = at;
    });
    return Buffer.concat([head, wide, times, kinds, Buffer.from(names), Buffer.from(`\n${rule}\n`)]);
  };
  const berlin = zone(
    [
      [3600, 0, 0],
      [7200, 1, 4],
    ],
    'CET\0CEST\0',
    [
      [1000, 0],
      [2000, 1],
      [3000, 0],
    ],
    'CET-1CEST,M3.5.0,M10.5.0/3',
  );
  const at = (iso: string): number => Date.parse(iso) / 1000;
  assert.deepEqual(parseZone(berlin, 2500), { offset: 7200, name: 'CEST' });
  assert.equal(parseZone(berlin, at('2030-07-01T00:00:00Z')).name, 'CEST');
  assert.equal(parseZone(berlin, at('2030-01-01T00:00:00Z')).name, 'CET');
  assert.equal(parseZone(berlin, at('2030-03-31T00:59:59Z')).name, 'CET');
  assert.equal(parseZone(berlin, at('2030-03-31T01:00:00Z')).name, 'CEST');
  assert.equal(parseZone(berlin, at('2030-10-27T01:00:00Z')).name, 'CET');
});
