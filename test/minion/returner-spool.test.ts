import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SaltError } from '../../bus/errors.ts';
import { LEVELS, Log, quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { PyDict, type WireMap } from '../../bus/values.ts';
import { ReturnerSpool } from '../../minion/returner-spool.ts';
import type { Returner } from '../../returners/contract.ts';

const JID = '20300101000000000001';
const made: string[] = [];
after(() => {
  for (const d of made) rmSync(d, { recursive: true, force: true });
});
function place(): { opts: Opts; dir: string } {
  const cachedir = mkdtempSync(join(tmpdir(), 'brine-returner-spool-'));
  made.push(cachedir);
  return { opts: new Opts(new PyDict([['cachedir', cachedir]])), dir: join(cachedir, 'returner_spool') };
}
const ret = (id: string, jid = JID): WireMap => ({ jid, id, fun: 'test.ping', return: true });

test('a return waits on disk while its store is away, and is delivered once with what came with it', async () => {
  const { opts, dir } = place();
  let up = false;
  const got: unknown[] = [];
  const store: Returner = {
    returner: (r, ctx) => {
      if (!up) throw new SaltError('SaltClientError', 'away');
      got.push([r['id'], ctx.retConfig, ctx.retKwargs, ctx.pillar?.get('p')]);
    },
  };
  let now = 1_000_000;
  const spool = new ReturnerSpool(
    opts,
    quietLog,
    () => ({ pillar: new PyDict([['p', 1]]) }),
    () => store,
    () => now,
  );
  await spool.send({ name: 'x', ret: ret('a'), config: 'alternative', kwargs: { db: 2 } });
  assert.equal(spool.waiting, 1);
  const [file] = readdirSync(dir);
  assert.equal(statSync(join(dir, file as string)).mode & 0o777, 0o600);
  assert.equal(await spool.sweep(), 0);
  up = true;
  assert.equal(await spool.sweep(), 0, 'it rests after a failure');
  now += 6000;
  assert.equal(await spool.sweep(), 1);
  assert.equal(spool.waiting, 0);
  assert.equal(JSON.stringify(got), '[["a","alternative",{"db":2},1]]');
});

test('the pause grows while the store stays away, and one that is away holds up no other', async () => {
  const { opts } = place();
  const tries: number[] = [];
  let now = 0;
  const away: Returner = {
    returner: () => {
      tries.push(now / 1000);
      throw new SaltError('SaltClientError', 'away');
    },
  };
  const well: string[] = [];
  let welcome = false;
  const other: Returner = {
    returner: (r) => {
      if (!welcome) throw new SaltError('SaltClientError', 'not yet');
      well.push(String(r['id']));
    },
  };
  const spool = new ReturnerSpool(
    opts,
    quietLog,
    () => ({}),
    (name) => (name === 'away' ? away : other),
    () => now,
  );
  await spool.send({ name: 'away', ret: ret('a') });
  await spool.send({ name: 'well', ret: ret('b') });
  welcome = true;
  for (; now <= 60_000; now += 1000) await spool.sweep();
  assert.deepEqual(tries, [0, 0, 5, 15, 35]);
  assert.deepEqual(well, ['b']);
});

test('what a dead process left is taken up, what a living one has in hand is not', async () => {
  const { opts } = place();
  const got: string[] = [];
  let up = false;
  const store: Returner = {
    returner: (r) => {
      if (!up) throw new SaltError('SaltClientError', 'away');
      got.push(String(r['id']));
    },
  };
  let now = Date.now();
  const first = new ReturnerSpool(
    opts,
    quietLog,
    () => ({}),
    () => store,
    () => now,
  );
  await first.send({ name: 'x', ret: ret('a') });
  up = true;
  // This process lives, and another spool of it does not know that the try is over.
  const second = new ReturnerSpool(
    opts,
    quietLog,
    () => ({}),
    () => store,
    () => now,
  );
  assert.equal(await second.sweep(), 0);
  now += 121_000;
  assert.equal(await second.sweep(), 1);
  assert.deepEqual(got, ['a']);
});

test('a return of no job gets one job id for all tries, and its load is kept', async () => {
  const { opts } = place();
  let up = false;
  const jids: string[] = [];
  const store = {
    returner: (r: WireMap) => {
      jids.push(String(r['jid']));
      if (!up) throw new SaltError('SaltClientError', 'away');
    },
    jobCache: { saveLoad: async (jid: string) => void jids.push(jid) },
  } as unknown as Returner;
  let now = 1_000_000;
  const spool = new ReturnerSpool(
    opts,
    quietLog,
    () => ({}),
    () => store,
    () => now,
  );
  await spool.send({ name: 'x', ret: ret('a', 'req') });
  up = true;
  now += 1;
  assert.equal(await spool.sweep(), 1);
  assert.equal(new Set(jids).size, 1);
  assert.match(jids[0] as string, /^\d{20}$/);
});

test('an unknown returner is one clear line, a refused return is given up', async () => {
  const { opts } = place();
  const lines: string[] = [];
  const log = new Log('x', (r) => void lines.push(r.message), LEVELS.error);
  const refuses: Returner = {
    returner: () => {
      throw new SaltError('CommandExecutionError', 'too long');
    },
  };
  const spool = new ReturnerSpool(
    opts,
    log,
    () => ({}),
    (name) => (name === 'refuses' ? refuses : undefined),
  );
  await spool.send({ name: 'nosuch', ret: ret('a') });
  await spool.send({ name: 'refuses', ret: ret('a') });
  assert.equal(spool.waiting, 0);
  assert.deepEqual(lines, [
    "Returner nosuch.returner could not be loaded: 'nosuch.returner' is not available.",
    `The return failed for job ${JID}: too long`,
    `Returner refuses refuses the return of job ${JID}: it is given up`,
  ]);
});
