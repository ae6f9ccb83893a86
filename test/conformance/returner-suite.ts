import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatJid } from '../../bus/jid.ts';
import { type PyDict, PyFloat, type Wire, type WireMap } from '../../bus/values.ts';
import type { JobCache, Returner, ReturnerCtx } from '../../returners/contract.ts';

/** A returner that is a job cache, on a real store of the test's own. */
export interface ReturnerUnderTest {
  readonly returner: Returner & { jobCache: JobCache };
  /** A context on an empty store. */
  fresh(opts?: Readonly<Record<string, Wire>>): Promise<ReturnerCtx>;
  /** Makes everything of a job as old as it would be after so many seconds, where the store goes by its own clock. */
  age?(jid: string, seconds: number, ctx: ReturnerCtx): Promise<void>;
  /** Rows or entries that hold the return of a minion to a job. */
  copies(jid: string, id: string, ctx: ReturnerCtx): Promise<number>;
}

/** How many promises of the contract the suite has a test for. */
export const SUITE_TESTS = 15;

/** What every job cache promises, as tests; `start` runs once, before the first. */
export function returnerSuite(name: string, start: () => Promise<ReturnerUnderTest>, skip?: string): void {
  let running: Promise<ReturnerUnderTest> | undefined;
  const options = skip === undefined ? {} : { skip };
  const check = (
    title: string,
    body: (t: ReturnerUnderTest['returner']['jobCache'], ctx: ReturnerCtx, all: ReturnerUnderTest) => Promise<void>,
    opts: Readonly<Record<string, Wire>> = {},
  ): void => {
    test(`${name}: ${title}`, options, async () => {
      running ??= start();
      const all = await running;
      const ctx = await all.fresh(opts);
      try {
        await body(all.returner.jobCache, ctx, all);
      } finally {
        await all.returner.close?.(ctx);
      }
    });
  };
  const base = Math.floor(Date.now() / 1000) * 1000;
  const jidAt = (ms: number): string => formatJid(BigInt(ms) * 1000n);
  const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(v));
  const load = (jid: string, fun: string, more: WireMap = {}): WireMap => ({
    jid,
    fun,
    arg: ['x'],
    tgt: '*',
    tgt_type: 'glob',
    user: 'root',
    ...more,
  });
  const ret = (jid: string, id: string, more: WireMap = {}): WireMap => ({
    cmd: '_return',
    jid,
    id,
    fun: 'test.ping',
    fun_args: [],
    return: true,
    retcode: 0,
    success: true,
    nonce: 'n',
    tok: 't',
    ...more,
  });

  check('a job keeps its load, the expected minions and its returns by minion', async (cache, ctx, { returner }) => {
    const jid = jidAt(base);
    await cache.saveLoad(jid, load(jid, 'test.ping'), ['b', 'a'], ctx);
    await returner.returner(ret(jid, 'a'), ctx);
    await returner.returner(ret(jid, 'b', { return: 'no', retcode: 1, success: false, out: 'nested' }), ctx);
    const kept = await cache.getLoad(jid, ctx);
    assert.deepEqual([...(kept['Minions'] as string[])].sort(), ['a', 'b']);
    assert.deepEqual([kept['fun'], kept['tgt'], kept['user']], ['test.ping', '*', 'root']);
    assert.deepEqual(plain(await cache.getJid(jid, ctx)), {
      a: { return: true, retcode: 0, success: true },
      b: { return: 'no', retcode: 1, success: false, out: 'nested' },
    });
    assert.deepEqual([...(await cache.getMinions(ctx))].sort(), ['a', 'b']);
  });

  check('an unknown job is an empty answer, not an error', async (cache, ctx) => {
    assert.deepEqual(plain(await cache.getLoad('20300101000000000000', ctx)), {});
    assert.deepEqual(plain(await cache.getJid('20300101000000000000', ctx)), {});
    assert.deepEqual(plain(await cache.getJids(ctx)), {});
    assert.deepEqual(plain(await cache.getFun('test.ping', ctx)), {});
    assert.deepEqual(await cache.getMinions(ctx), []);
  });

  check('minions that turn up later are added', async (cache, ctx) => {
    const jid = jidAt(base);
    await cache.saveLoad(jid, load(jid, 'test.ping'), ['a'], ctx);
    await cache.saveMinions(jid, ['c', 'a'], ctx);
    assert.deepEqual((await cache.getLoad(jid, ctx))['Minions'], ['a', 'c']);
  });

  check('a load that is saved again replaces the first and fails nobody', async (cache, ctx) => {
    const jid = jidAt(base);
    await cache.saveLoad(jid, load(jid, 'test.ping'), ['a'], ctx);
    await cache.saveLoad(jid, load(jid, 'test.ping', { user: 'ann' }), ['a'], ctx);
    assert.equal((await cache.getLoad(jid, ctx))['user'], 'ann');
    assert.deepEqual(Object.keys(await cache.getJids(ctx)), [jid]);
  });

  check('no secret of a publish is kept', async (cache, ctx) => {
    const jid = jidAt(base);
    const kwargs = { password: 'p-word', token: 't-word', eauth: 'pam', username: 'u-word', metadata: { a: 1 } };
    await cache.saveLoad(jid, load(jid, 'x', { key: 'secret-key', kwargs }), [], ctx);
    const text = JSON.stringify(await cache.getLoad(jid, ctx));
    assert.ok(!/secret-key|-word|pam/.test(text), text);
    assert.ok(text.includes('metadata'));
  });

  check('jobs are listed in order of time, a limit takes the newest', async (cache, ctx) => {
    const jids = [3, 1, 2, 5, 4].map((d) => jidAt(base + d * 1000));
    for (const jid of jids) await cache.saveLoad(jid, load(jid, 'test.ping', { metadata: { n: 1 } }), [], ctx);
    const sorted = [...jids].sort();
    assert.deepEqual(Object.keys(await cache.getJids(ctx)), sorted);
    assert.deepEqual(Object.keys(await cache.getJids(ctx, { limit: 2 })), sorted.slice(-2));
    assert.deepEqual(Object.keys(await cache.getJids(ctx, { since: sorted[3]! })), sorted.slice(3));
    const { StartTime, ...job } = (await cache.getJids(ctx, { limit: 1 }))[sorted[4]!] as WireMap;
    assert.deepEqual(plain(job), {
      Function: 'test.ping',
      Arguments: ['x'],
      Target: '*',
      'Target-type': 'glob',
      User: 'root',
      Metadata: { n: 1 },
    });
    assert.match(String(StartTime), /^\d{4}, [A-Z][a-z]{2} \d{2} \d{2}:\d{2}:\d{2}\.\d{6}$/);
  });

  check(
    'the newest return of a function is found by minion, but no find_job',
    async (cache, ctx, { returner, age }) => {
      const [first, second] = [jidAt(base), jidAt(base + 1000)];
      await returner.returner(ret(first, 'a', { fun: 'cmd.run', return: 1 }), ctx);
      await age?.(first, 10, ctx);
      await returner.returner(ret(second, 'a', { fun: 'cmd.run', return: 2 }), ctx);
      await returner.returner(ret(first, 'b', { fun: 'cmd.run', return: 3 }), ctx);
      await returner.returner(ret(second, 'b', { fun: 'saltutil.find_job' }), ctx);
      const found = (await cache.getFun('cmd.run', ctx)) as Record<string, WireMap>;
      assert.deepEqual(Object.keys(found).sort(), ['a', 'b']);
      assert.deepEqual([found['a']?.['return'], found['b']?.['return']], [2, 3]);
      assert.deepEqual(plain(await cache.getFun('saltutil.find_job', ctx)), {});
    },
  );

  check('a return that comes again is there once, and the last one counts', async (cache, ctx, all) => {
    const jid = jidAt(base);
    const again = ret(jid, 'a', { return: 'first' });
    await Promise.all([1, 2, 3, 4, 5].map(() => all.returner.returner(again, ctx)));
    await all.returner.returner(ret(jid, 'A', { return: 'another minion' }), ctx);
    await all.returner.returner(again, ctx);
    assert.equal(await all.copies(jid, 'a', ctx), 1);
    await all.returner.returner(ret(jid, 'a', { return: 'second' }), ctx);
    assert.equal(await all.copies(jid, 'a', ctx), 1);
    const got = (await cache.getJid(jid, ctx)) as Record<string, WireMap>;
    assert.equal(got['a']?.['return'], 'second');
    assert.equal(got['A']?.['return'], 'another minion');
  });

  check('text beyond ASCII, quotes, line ends and NUL come back as they were', async (cache, ctx, { returner }) => {
    const jid = jidAt(base);
    const text = 'ä 中文 😀 \' " ` \\ \n\r\t \u0000 \u2028 %s ? :x $1 -- ;';
    await cache.saveLoad(jid, load(jid, 'test.echo', { arg: [text] }), ['ä😀'], ctx);
    await returner.returner(ret(jid, 'a', { fun: 'test.echo', return: { [text]: [text] } }), ctx);
    assert.deepEqual((await cache.getLoad(jid, ctx))['arg'], [text]);
    assert.deepEqual((await cache.getLoad(jid, ctx))['Minions'], ['ä😀']);
    assert.deepEqual(plain(((await cache.getJid(jid, ctx))['a'] as WireMap)['return']), { [text]: [text] });
  });

  check('floats, NaN, large numbers, bytes and odd keys survive', async (cache, ctx, { returner }) => {
    const jid = jidAt(base);
    const bytes = new Uint8Array([0, 1, 0x7f, 0x80, 0xff, 0xfe]);
    const value: WireMap = {
      whole: new PyFloat(1),
      nan: new PyFloat(Number.NaN),
      inf: new PyFloat(Number.NEGATIVE_INFINITY),
      big: 123456789012345678901234567890n,
      half: 0.5,
      bytes,
      text: new Uint8Array([0xc3, 0xa4]),
    };
    await returner.returner(ret(jid, 'a', { return: value }), ctx);
    const got = ((await cache.getJid(jid, ctx))['a'] as WireMap)['return'] as WireMap;
    assert.ok(got['whole'] instanceof PyFloat && got['whole'].v === 1);
    assert.ok(got['nan'] instanceof PyFloat && Number.isNaN(got['nan'].v));
    assert.ok(got['inf'] instanceof PyFloat && got['inf'].v === Number.NEGATIVE_INFINITY);
    assert.equal(got['big'], 123456789012345678901234567890n);
    assert.equal(got['half'], 0.5);
    assert.deepEqual(Buffer.from(got['bytes'] as Uint8Array), Buffer.from(bytes));
    const word = got['text'];
    assert.equal(typeof word === 'string' ? word : Buffer.from(word as Uint8Array).toString(), 'ä');
    await returner.returner(ret(jid, 'b', { return: { '10': 'x', '9': 'y' } as WireMap }), ctx);
    const odd = ((await cache.getJid(jid, ctx))['b'] as WireMap)['return'];
    assert.equal(odd instanceof Map ? (odd as PyDict).get('9') : (odd as WireMap)['9'], 'y');
  });

  check('a return of a megabyte is kept whole', async (cache, ctx, { returner }) => {
    const jid = jidAt(base);
    const text = 'ö0123456789abcdef'.repeat(62_000);
    await Promise.all(['a', 'b', 'c'].map((id) => returner.returner(ret(jid, id, { return: text }), ctx)));
    const got = (await cache.getJid(jid, ctx)) as Record<string, WireMap>;
    for (const id of ['a', 'b', 'c']) assert.ok(got[id]?.['return'] === text, id);
  });

  check(
    'jobs older than keep_jobs_seconds go with their returns, younger ones stay',
    async (cache, ctx, all) => {
      const [old, young] = [jidAt(base - 3_700_000), jidAt(base - 3_000_000)];
      for (const jid of [old, young]) {
        await cache.saveLoad(jid, load(jid, 'test.ping'), ['a'], ctx);
        await all.returner.returner(ret(jid, 'a'), ctx);
      }
      await all.age?.(old, 3700, ctx);
      await all.age?.(young, 3000, ctx);
      assert.equal(await cache.cleanOldJobs(ctx, base), 1);
      assert.deepEqual(Object.keys(await cache.getJids(ctx)), [young]);
      assert.deepEqual(plain(await cache.getJid(old, ctx)), {});
      assert.notDeepEqual(plain(await cache.getJid(young, ctx)), {});
    },
    { keep_jobs_seconds: 3600 },
  );

  check('a load without any return expires too, and zero keeps for ever', async (cache, ctx) => {
    const jid = jidAt(base - 3_700_000);
    ctx.opts.set('keep_jobs_seconds', 0);
    await cache.saveLoad(jid, load(jid, 'test.ping'), ['a'], ctx);
    assert.equal(await cache.cleanOldJobs(ctx, base + 999_999_999), 0);
    ctx.opts.set('keep_jobs_seconds', 3600);
    assert.equal(await cache.cleanOldJobs(ctx, base), 1);
    assert.deepEqual(plain(await cache.getLoad(jid, ctx)), {});
  });

  check(
    'an end time is kept when the configuration asks for it',
    async (cache, ctx, { returner }) => {
      const jid = jidAt(base);
      await cache.saveLoad(jid, load(jid, 'test.ping'), ['a'], ctx);
      await returner.returner(ret(jid, 'a'), ctx);
      assert.ok((await cache.getLoad(jid, ctx))['EndTime']);
      await cache.updateEndtime(jid, 'later', ctx);
      assert.equal((await cache.getLoad(jid, ctx))['EndTime'], 'later');
    },
    { job_cache_store_endtime: true },
  );

  check(
    'job ids rise, a wanted one is taken, a return without one leaves nothing',
    async (cache, ctx, { returner }) => {
      const made = [cache.prepJid(ctx), cache.prepJid(ctx), cache.prepJid(ctx)];
      assert.deepEqual([...made].sort(), made);
      assert.equal(new Set(made).size, 3);
      assert.equal(cache.prepJid(ctx, '20300101000000000000'), '20300101000000000000');
      await returner.returner(ret('../../x', 'a'), ctx);
      await returner.returner(ret(jidAt(base), ''), ctx);
      assert.deepEqual(await cache.getMinions(ctx), []);
    },
  );
}
