// The command line of the minion simulator.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../bus/errors.ts';
import { consoleSink, LEVELS, Log } from '../../bus/log.ts';
import { type LoadFigures, quantiles, Swarm } from '../swarm.ts';

const HELP = `Usage: brine-swarm [options]

Many simulated minions in one process, with real keys and encryption, for load tests of any Salt master. They
sign in, hear publishes and answer test.ping, test.echo, test.arg and saltutil.find_job. Figures are printed as it runs.

Options:
  --master HOST      the master (default 127.0.0.1)
  --port N           its ret_port (default 4506); the publish port is told by the master
  --count N          how many minions (default 100)
  --prefix TEXT      ids are this and a number (default swarm-)
  --keys DIR         where private keys are kept (default ~/.cache/brine-swarm)
  --key-pool N       so many different keys, shared by all minions (default 32); keys take 0.1 s each to make
  --own-keys         a key of its own for each minion
  --events RATE      fire so many events a second in all, as _minion_event; 0 is as fast as they are answered
  --tag TAG          tag of these events (default swarm/event)
  --size BYTES       text in each event's data (default 100)
  --seconds N        end after so long (default: when interrupted)
  --wait N           seconds to wait for keys to be accepted (default 60)
  --at-once N        sign-ins under way at once (default 64)
  --quiet            only what went wrong, and the last line
  --json             figures as lines of JSON
  -h, --help         show this help and exit
`;

const OPTIONS = {
  master: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '4506' },
  count: { type: 'string', default: '100' },
  prefix: { type: 'string', default: 'swarm-' },
  keys: { type: 'string', default: join(homedir(), '.cache', 'brine-swarm') },
  'key-pool': { type: 'string', default: '32' },
  'own-keys': { type: 'boolean', default: false },
  events: { type: 'string' },
  tag: { type: 'string', default: 'swarm/event' },
  size: { type: 'string', default: '100' },
  seconds: { type: 'string' },
  wait: { type: 'string', default: '60' },
  'at-once': { type: 'string', default: '64' },
  quiet: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

class Usage extends Error {}

function number(name: string, text: string, least = 0): number {
  const n = Number(text);
  if (text.trim() === '' || !Number.isFinite(n) || n < least)
    throw new Usage(`option --${name}: '${text}' is no number from ${least} on`);
  return n;
}

function read(argv: readonly string[]) {
  try {
    const { values } = parseArgs({ args: [...argv], options: OPTIONS, strict: true });
    return values;
  } catch (e) {
    throw new Usage(messageOf(e));
  }
}

const ms = (n: number): string => `${n.toFixed(n < 10 ? 2 : 0)} ms`;
const pause = (t: number): Promise<void> => new Promise((then) => setTimeout(then, t));

async function main(argv: readonly string[]): Promise<number> {
  const o = read(argv);
  if (o.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const count = number('count', o.count, 1);
  const seconds = o.seconds === undefined ? undefined : number('seconds', o.seconds);
  const log = new Log('brine.swarm', consoleSink(), o.quiet ? LEVELS.error : LEVELS.info);
  const say = (what: string, figures: object, text: string): void => {
    if (o.json) process.stdout.write(`${JSON.stringify({ what, ...figures })}\n`);
    else if (!o.quiet || what === 'end') process.stdout.write(`${text}\n`);
  };
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());

  const swarm = await Swarm.open({
    host: o.master,
    port: number('port', o.port, 1),
    count,
    prefix: o.prefix,
    keyDir: o.keys,
    keyPool: o['own-keys'] ? 0 : number('key-pool', o['key-pool'], 1),
    log,
  });
  try {
    await swarm.connect();
    const patience = Date.now() + number('wait', o.wait) * 1000;
    for (let left = count; left > 0; ) {
      const f = await swarm.signIn(number('at-once', o['at-once'], 1));
      left -= f.accepted;
      const rate = f.accepted / f.seconds;
      const more = `${f.pending ? `, ${f.pending} wait for their keys to be accepted` : ''}${f.failed ? `, ${f.failed} failed (${f.why})` : ''}`;
      say('sign-in', { ...f, rate }, `${f.accepted} of ${count} minions signed in, ${Math.round(rate)}/s${more}`);
      if (!left || stop.signal.aborted) break;
      if (f.failed || Date.now() > patience) {
        process.stderr.write(`brine-swarm: ${left} of ${count} minions could not sign in\n`);
        return 1;
      }
      await pause(1000);
    }
    if (!stop.signal.aborted) await swarm.listen();
    say('listening', { count }, `${count} minions listen`);
    const began = performance.now();
    const done = seconds === undefined ? Number.POSITIVE_INFINITY : began + seconds * 1000;
    const fill = 'x'.repeat(number('size', o.size));
    let fired: Promise<LoadFigures> | undefined;
    if (o.events !== undefined && !stop.signal.aborted)
      fired = swarm.events({
        tag: o.tag,
        data: (i) => ({ i, fill }),
        rate: number('events', o.events),
        signal: stop.signal,
        ...(seconds === undefined ? {} : { seconds }),
      });
    let told = 0;
    while (!stop.signal.aborted && performance.now() < done) {
      await pause(Math.min(200, Math.max(0, done - performance.now())));
      const { returned, failed } = swarm.stats;
      if (returned + failed === told) continue;
      told = returned + failed;
      const q = quantiles(swarm.times);
      say(
        'answers',
        { ...swarm.stats, ...q },
        `answered ${returned}, failed ${failed}; p50 ${ms(q.p50)}, p99 ${ms(q.p99)}`,
      );
    }
    stop.abort();
    const events = await fired;
    const last = { ...swarm.stats, ...quantiles(swarm.times), ...(events ? { events } : {}) };
    const own = events
      ? `; events ${events.answered} of ${events.sent}, ${Math.round(events.answered / events.seconds)}/s, p50 ${ms(events.p50)}, p99 ${ms(events.p99)}`
      : '';
    say('end', last, `heard ${last.heard}, jobs ${last.jobs}, answered ${last.returned}, failed ${last.failed}${own}`);
    return last.failed || (events?.failed ?? 0) ? 1 : 0;
  } finally {
    await swarm.close();
  }
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (e: unknown) => {
    if (e instanceof Usage) process.stderr.write(`Usage: brine-swarm [options]\n\nbrine-swarm: error: ${e.message}\n`);
    else process.stderr.write(`brine-swarm: ${messageOf(e)}\n`);
    process.exit(e instanceof Usage ? 64 : 1);
  },
);
