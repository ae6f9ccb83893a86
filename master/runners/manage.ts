/** Who is up, who is down, who is connected. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Py, PyDict, toWire } from '../../bus/values.ts';
import { SALT_VERSION } from '../../bus/version.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { numberOf, truth } from '../../sls/values.ts';
import { keyChanges } from '../key-commands.ts';
import { GROUPS } from '../key-names.ts';
import { connectedMinions } from '../known-minions.ts';
import type { RunnerCtx, RunnerModule } from './contract.ts';

const seconds = (v: Py | undefined, fallback: number): number =>
  v === undefined || !truth(v) ? fallback : (numberOf(v) ?? fallback);
const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Pings a target; nobody in either list where nothing matched. */
async function ping(a: Args, ctx: RunnerCtx): Promise<{ up: string[]; down: string[] }> {
  let expected: string[] = [];
  const up = new Set<string>();
  const patience = { gatherJobTimeout: seconds(a['gather_job_timeout'], ctx.opts.num('gather_job_timeout', 10)) };
  const job = {
    tgt: toWire(a['tgt']),
    tgtType: String(a['tgt_type']),
    fun: 'test.ping',
    timeout: seconds(a['timeout'], ctx.opts.num('timeout', 5)),
  };
  const heard = ctx.client.run(job, {
    ...patience,
    onPublished: (p) => {
      expected = p.minions;
      if (!expected.length) ctx.print('No minions matched the target. No command was sent, no jid was assigned.');
    },
  });
  for await (const ret of heard) if (ret.lost === undefined) up.add(ret.id);
  return { up: [...up].sort(byCode), down: expected.filter((id) => !up.has(id)).sort(byCode) };
}

async function down(a: Args, ctx: RunnerCtx): Promise<Py> {
  const found = (await ping(a, ctx)).down;
  if (truth(a['removekeys']!) && found.length) {
    const changes = keyChanges(ctx.keys, (order, data) => ctx.master(order, data));
    await changes.delete(new Map([['minions', found]]));
  }
  return found;
}

/** Wanted ids of a `subset` argument; undefined: all. */
function subset(v: Py): ReadonlySet<string> | undefined {
  if (!truth(v)) return undefined;
  return new Set(Array.isArray(v) ? v.map(String) : String(v).split(','));
}

async function connected(a: Args, ctx: RunnerCtx): Promise<Py> {
  const wanted = subset(a['subset']!);
  const all = [...(await connectedMinions(ctx))].filter(([id]) => !wanted || wanted.has(String(id)));
  return truth(a['show_ip']!) ? new PyDict(all) : all.map(([id]) => String(id)).sort(byCode);
}

async function notConnected(a: Args, ctx: RunnerCtx): Promise<Py> {
  const wanted = subset(a['subset']!);
  const live = await connectedMinions(ctx);
  return ctx.keys.list().minions.filter((id) => !live.has(id) && (!wanted || wanted.has(id)));
}

/** Numbers of a version, release candidates before the release. */
function versionParts(text: string): number[] | undefined {
  const m = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?(?:(a|b|rc)(\d+))?/.exec(text);
  if (!m) return undefined;
  const stage = m[5] === undefined ? 3 : ['a', 'b', 'rc'].indexOf(m[5]);
  return [...m.slice(1, 5).map((n) => Number(n ?? 0)), stage, Number(m[6] ?? 0)];
}

function versionOrder(a: string, b: string): number {
  const [x, y] = [versionParts(a), versionParts(b)];
  if (!x || !y) return x ? 1 : y ? -1 : 0;
  const at = x.findIndex((n, i) => n !== y[i]);
  return at < 0 ? 0 : (x[at] as number) < (y[at] as number) ? -1 : 1;
}

async function versions(_a: Args, ctx: RunnerCtx): Promise<Py> {
  const found: Record<string, [string, Py][]> = {};
  const job = { tgt: '*', fun: 'test.version', timeout: ctx.opts.num('timeout', 5) };
  for await (const ret of ctx.client.run(job)) {
    if (ret.lost !== undefined) continue;
    const failed = ret.retcode !== 0 || typeof ret.ret !== 'string';
    const order = failed ? 0 : versionOrder(ret.ret as string, SALT_VERSION);
    const label = failed
      ? 'Minion offline'
      : order < 0
        ? 'Minion requires update'
        : order > 0
          ? 'Minion newer than master'
          : 'Up to date';
    found[label] = [...(found[label] ?? []), [ret.id, failed ? false : (ret.ret as string)]];
  }
  const report = new PyDict();
  for (const [label, minions] of Object.entries(found))
    report.set(label, new PyDict<Py>(minions.sort(([x], [y]) => byCode(x, y))));
  report.set('Master', SALT_VERSION);
  return report;
}

const REGENERATED = `The minion and master keys have been deleted.  Restart the Salt
Master within the next 60 seconds!!!

Wait for the minions to reconnect.  Once the minions reconnect
the new keys will appear in pending and will need to be re-
accepted by running:
    salt-key -A

Be advised that minions not currently connected to the master
will not be able to reconnect and may require manual
regeneration via a local call to
    salt-call saltutil.regen_keys`;

async function keyRegen(_a: Args, ctx: RunnerCtx): Promise<Py> {
  await ctx.client.cmd('*', 'saltutil.regen_keys');
  const pki = ctx.opts.str('pki_dir');
  for (const dir of ['', ...GROUPS, 'minions_autosign'])
    for (const entry of readdirSync(join(pki, dir), { withFileTypes: true }))
      if (entry.isFile()) rmSync(join(pki, dir, entry.name), { force: true });
  return REGENERATED;
}

const here = (name: string): string =>
  `Minions that are connected to the master now, without asking them anything. show_ip=True adds the address of each.\n\nCLI Example:\n\n    salt-run manage.${name}`;
const gone = (name: string): string =>
  `Minions with an accepted key that are not connected to the master now, without asking them anything.\n\nCLI Example:\n\n    salt-run manage.${name}`;
const isUp = (name: string): ReturnType<typeof fn<RunnerCtx>> =>
  fn(`${name}(subset=None, show_ip=False)`, here(name), connected);
const isDown = (name: string): ReturnType<typeof fn<RunnerCtx>> =>
  fn(`${name}(subset=None, show_ip=False)`, gone(name), notConnected);

export default {
  doc: 'Tells which minions are there.',
  functions: {
    status: fn(
      "status(output=True, tgt='*', tgt_type='glob', timeout=None, gather_job_timeout=None)",
      'Pings minions and lists who answered (up) and who did not (down).\n\nCLI Example:\n\n    salt-run manage.status\n    salt-run manage.status tgt=web tgt_type=nodegroup timeout=3',
      async (a, ctx) => {
        const { up, down: silent } = await ping(a, ctx);
        return new PyDict<Py>([
          ['up', up],
          ['down', silent],
        ]);
      },
    ),
    up: fn(
      "up(tgt='*', tgt_type='glob', timeout=None, gather_job_timeout=None)",
      'Pings minions and lists those that answered.\n\nCLI Example:\n\n    salt-run manage.up',
      async (a, ctx) => (await ping(a, ctx)).up,
    ),
    down: fn(
      "down(removekeys=False, tgt='*', tgt_type='glob', timeout=None, gather_job_timeout=None)",
      'Pings minions and lists those that did not answer; removekeys=True deletes their keys.\n\nCLI Example:\n\n    salt-run manage.down\n    salt-run manage.down removekeys=True',
      down,
    ),
    versions: fn(
      'versions()',
      "Asks the minions for their version and groups them by how it compares with the master's.\n\nCLI Example:\n\n    salt-run manage.versions",
      versions,
    ),
    key_regen: fn(
      'key_regen()',
      'Has all minions make new keys, then deletes ALL keys of this master, its own too. Restart the master within a minute and accept the minions again.\n\nCLI Example:\n\n    salt-run manage.key_regen',
      keyRegen,
    ),
    list_state: isUp('list_state'),
    present: isUp('present'),
    joined: isUp('joined'),
    allowed: isUp('allowed'),
    alived: isUp('alived'),
    reaped: isUp('reaped'),
    list_not_state: isDown('list_not_state'),
    not_present: isDown('not_present'),
    not_joined: isDown('not_joined'),
    not_allowed: isDown('not_allowed'),
    not_alived: isDown('not_alived'),
    not_reaped: isDown('not_reaped'),
  },
} satisfies RunnerModule;
