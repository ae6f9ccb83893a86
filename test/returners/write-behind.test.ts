import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SaltError } from '../../bus/errors.ts';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { MemoryKeyedStore } from '../../bus/store/memory.ts';
import type { WireMap } from '../../bus/values.ts';
import type { JobCache, Returner, ReturnerCtx } from '../../returners/contract.ts';
import localCache, { STORE_SLOT } from '../../returners/local_cache.ts';
import { WriteBehind } from '../../returners/spool/write-behind.ts';

const dir = mkdtempSync(join(tmpdir(), 'brine-spool-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const JID = '20300101000000000001';
const ret = (id: string): WireMap => ({ jid: JID, id, fun: 'test.ping', return: true, retcode: 0, success: true });
const until = async (done: () => boolean): Promise<void> => {
  for (let i = 0; !done(); i++) {
    if (i > 500) throw new Error('it did not happen');
    await new Promise((ok) => setTimeout(ok, 10));
  }
};

/** A job cache in memory that can be switched off. */
function place(): {
  inner: Returner & { jobCache: JobCache };
  ctx: ReturnerCtx;
  mode: { on: boolean; hang: boolean };
  calls: string[];
} {
  const ctx: ReturnerCtx = {
    opts: new Opts(),
    log: quietLog,
    context: new Map([[STORE_SLOT, new MemoryKeyedStore()]]),
  };
  const mode = { on: true, hang: false };
  const calls: string[] = [];
  const guard = async (what: string): Promise<void> => {
    if (mode.hang) await new Promise(() => undefined);
    if (!mode.on) throw new SaltError('SaltClientError', 'away');
    calls.push(what);
  };
  const { jobCache } = localCache;
  return {
    ctx,
    mode,
    calls,
    inner: {
      returner: async (r, c) => {
        if (r['id'] === 'bad') throw new SaltError('CommandExecutionError', 'too long');
        await guard(`return ${String(r['id'])}`);
        await localCache.returner(r, c);
      },
      jobCache: {
        ...jobCache,
        saveLoad: async (jid, load, minions, c) => {
          await guard('load');
          await jobCache.saveLoad(jid, load, minions, c);
        },
        getJid: async (jid, c) => {
          await guard('read');
          return jobCache.getJid(jid, c);
        },
      },
    },
  };
}

test('while the store is away writes are taken at once, reads fail at once, and all arrives in its order later', async () => {
  const { inner, ctx, mode, calls } = place();
  const states: string[] = [];
  const spool = new WriteBehind(inner, ctx, {
    name: 'x',
    path: join(dir, 'a.journal'),
    pause: [10, 40],
    onState: (s) => states.push(s.state),
  });
  const r = spool.returner();
  mode.on = false;
  const began = performance.now();
  await r.jobCache.saveLoad(JID, { fun: 'test.ping', token: 'secret-token' }, ['a'], ctx);
  await Promise.all(['a', 'b'].map((id) => r.returner(ret(id), ctx)));
  assert.ok(performance.now() - began < 500);
  await until(() => spool.status().state === 'down');
  assert.deepEqual([spool.status().waiting, spool.status().error], [3, 'away']);
  assert.deepEqual((await r.jobCache.getLoad(JID, ctx))['Minions'], ['a']);
  await assert.rejects(() => r.jobCache.getJid(JID, ctx), /x is away: away/);
  assert.equal(statSync(join(dir, 'a.journal')).mode & 0o777, 0o600);
  assert.ok(!readFileSync(join(dir, 'a.journal'), 'latin1').includes('secret-token'));
  mode.on = true;
  await until(() => spool.status().waiting === 0 && spool.status().state === 'up');
  assert.deepEqual(calls, ['load', 'return a', 'return b']);
  assert.deepEqual(Object.keys(await r.jobCache.getJid(JID, ctx)), ['a', 'b']);
  assert.deepEqual(states, ['down', 'up']);
  await spool.close();
});

test('what waited when the master was killed is written by the next one', async () => {
  const { inner, ctx, mode } = place();
  mode.on = false;
  const options = { name: 'x', path: join(dir, 'b.journal'), pause: [10, 40] as const };
  const first = new WriteBehind(inner, ctx, options);
  await Promise.all(['a', 'b', 'c'].map((id) => first.returner().returner(ret(id), ctx)));
  await first.close(0);
  mode.on = true;
  const second = new WriteBehind(inner, ctx, options);
  await until(() => second.status().written === 3);
  assert.deepEqual(Object.keys(await second.returner().jobCache.getJid(JID, ctx)), ['a', 'b', 'c']);
  await second.close();
  const third = new WriteBehind(inner, ctx, options);
  await third.close();
  assert.equal(third.status().written, 0);
});

test('what the store refuses for good is given up and holds nothing else', async () => {
  const { inner, ctx } = place();
  const spool = new WriteBehind(inner, ctx, { name: 'x', path: join(dir, 'c.journal'), pause: [10, 40] });
  await Promise.all(['a', 'bad', 'b'].map((id) => spool.returner().returner(ret(id), ctx)));
  await until(() => spool.status().waiting === 0);
  assert.deepEqual([spool.status().written, spool.status().refused, spool.status().state], [2, 1, 'up']);
  await spool.close();
});

test('a full spool says so, and a store that hangs holds no reader for long', async () => {
  const { inner, ctx, mode } = place();
  const spool = new WriteBehind(inner, ctx, { name: 'x', path: join(dir, 'd.journal'), most: 300, readTime: 50 });
  mode.hang = true;
  await assert.rejects(() => spool.returner().jobCache.getJid(JID, ctx), /did not answer in time/);
  await assert.rejects(async () => {
    for (let i = 0; i < 20; i++) await spool.returner().returner(ret(`m${i}`), ctx);
  }, /spool of x is full/);
  mode.hang = false;
  await spool.close(0);
});
