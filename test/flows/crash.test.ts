import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ControlClient } from '../../bus/transport/control.ts';
import { type Place, startPlace } from '../services/place.ts';
import { type RedisService, redisMissing, startRedis } from '../services/redis.ts';

/** How long each crash test fires, seconds; the promise is stated for two minutes. */
const SECONDS = Number(process.env['BRINE_CRASH_SECONDS'] ?? (process.env['CI'] ? 120 : 30));
const RATE = 200;

const SLS = `react_{{ data.n }}:
  local.test.echo:
    - tgt: alpha
    - args:
      - text: "n{{ data.n }}"
`;

interface Fact {
  tag: string;
  id: number;
  data: Record<string, unknown>;
}

/** Everything in the log of a place, as `eventlisten --json` prints it. */
async function history(place: Place): Promise<Fact[]> {
  const ran = await place.run('eventlisten', ['--since', '1', '--json'], { timeout: 120_000 });
  assert.equal(ran.code, 0, ran.stderr);
  return ran.stdout
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as Fact);
}

/** Fires at a steady rate for so long, while `hurt` does its worst every 5 s; answers the numbers whose firing was acknowledged. */
async function fireThrough(place: Place, seconds: number, hurt: () => Promise<void>): Promise<Set<number>> {
  const events = place.events();
  const acked = new Set<number>();
  const pending = new Set<Promise<void>>();
  const began = performance.now();
  let n = 0;
  let hurting = Promise.resolve();
  let nextHurt = 5000;
  while (performance.now() - began < seconds * 1000) {
    const due = Math.floor(((performance.now() - began) / 1000) * RATE);
    while (n < due) {
      const mine = n++;
      const p: Promise<void> = events
        .fireEvent({ n: mine }, `crash/fire/${mine}`)
        .then((ok) => {
          if (ok.id !== undefined) acked.add(mine);
        })
        .catch(() => undefined)
        .finally(() => pending.delete(p));
      pending.add(p);
    }
    if (performance.now() - began > nextHurt) {
      nextHurt += 5000;
      hurting = hurting.then(hurt);
    }
    await new Promise((ok) => setTimeout(ok, 5));
  }
  await hurting;
  await Promise.race([Promise.all(pending), new Promise((ok) => setTimeout(ok, 20_000))]);
  return acked;
}

/** Waits until nothing is left in the queue. */
async function settle(place: Place): Promise<void> {
  const end = Date.now() + 180_000;
  for (let last = ''; ; ) {
    try {
      const client = await ControlClient.connect(join(place.sockDir, 'master_control.ipc'));
      const counts = (await client.request('order', { order: 'queue.counts', data: {} })) as Record<string, number>;
      client.close();
      if (counts['waiting'] === 0 && counts['active'] === 0 && counts['delayed'] === 0) return;
      last = JSON.stringify(counts);
    } catch (e) {
      last = String(e); // the master is just coming back
    }
    if (Date.now() > end) throw new Error(`the queue did not empty: ${last}\n${place.master.log().slice(-3000)}`);
    await new Promise((ok) => setTimeout(ok, 500));
  }
}

/** Checks the promise over the log: no acknowledged event lost, one job for each event, each job run at most once. */
function judge(what: string, acked: Set<number>, facts: readonly Fact[]): void {
  const kept = new Set<number>();
  const jobs = new Map<number, Set<string>>();
  const returns = new Map<string, number>();
  for (const f of facts) {
    const fired = /^crash\/fire\/(\d+)$/.exec(f.tag);
    if (fired) kept.add(Number(fired[1]));
    const made = /^salt\/job\/(\d+)\/new$/.exec(f.tag);
    if (made) {
      const n = /"n(\d+)"/.exec(JSON.stringify(f.data['arg']));
      if (n) {
        const set = jobs.get(Number(n[1])) ?? new Set<string>();
        set.add(made[1] as string);
        jobs.set(Number(n[1]), set);
      }
    }
    const ret = /^salt\/job\/(\d+)\/ret\/alpha$/.exec(f.tag);
    if (ret) returns.set(ret[1] as string, (returns.get(ret[1] as string) ?? 0) + 1);
  }
  const lost = [...acked].filter((n) => !kept.has(n));
  const without = [...kept].filter((n) => !jobs.has(n));
  const double = [...jobs].filter(([, j]) => j.size !== 1);
  const unreturned = [...jobs.values()].filter((j) => ![...j].some((jid) => returns.has(jid)));
  const twice = [...returns.values()].filter((n) => n > 1);
  console.log(
    `${what}: ${acked.size} acknowledged, ${kept.size} kept, ${lost.length} lost; ${jobs.size} events with a job, ${without.length} without, ${double.length} with more than one; ${returns.size} jobs returned, ${unreturned.length} not, ${twice.length} returned twice`,
  );
  assert.equal(lost.length, 0, `acknowledged events lost: ${lost.slice(0, 10)}`);
  assert.equal(without.length, 0, `events without a job: ${without.slice(0, 10)}`);
  assert.equal(double.length, 0, `events with several jobs: ${double.slice(0, 10).map(([n]) => n)}`);
  assert.ok(acked.size > 0);
}

async function placeWith(queue: string): Promise<Place> {
  const place = await startPlace({ master: `${queue}reactor:\n  - 'crash/fire/*':\n    - salt://react.sls\n` });
  place.write('srv/salt/react.sls', SLS);
  return place;
}

test(`the master is killed every 5 s for ${SECONDS} s: no acknowledged event is lost, each has one job`, {
  timeout: 400_000,
}, async () => {
  const place = await placeWith('');
  try {
    const acked = await fireThrough(place, SECONDS, async () => {
      await place.master.kill();
      place.master.start();
    });
    await settle(place);
    judge('master killed', acked, await history(place));
  } finally {
    await place.close();
  }
});

test(`the minion is killed every 5 s for ${SECONDS} s: each event has one job`, { timeout: 600_000 }, async () => {
  const place = await placeWith('');
  try {
    const acked = await fireThrough(place, SECONDS, async () => {
      await place.minion('alpha').kill();
      place.minion('alpha').start();
    });
    await settle(place);
    judge('minion killed', acked, await history(place));
  } finally {
    await place.close();
  }
});

const missing = redisMissing();
test(`redis is killed every 5 s for ${SECONDS} s under the bullmq queue: each event has one job`, {
  timeout: 400_000,
  ...(missing ? { skip: missing } : {}),
}, async () => {
  const redis: RedisService = await startRedis();
  const place = await placeWith(`job_queue: {adapter: bullmq, redis: '${redis.url}'}\n`);
  try {
    const acked = await fireThrough(place, SECONDS, async () => {
      await redis.kill();
      await redis.start();
    });
    await settle(place);
    judge('redis killed', acked, await history(place));
  } finally {
    await place.close();
    await redis.stop();
  }
});
