import { join, relative, resolve } from 'node:path';
import { SaltEvent } from '../../bus/program.ts';
import { startPlayground } from '../playground.ts';

declare const __brine_dist: string;

const HELP = `Usage: brine [DIR]

Starts a master and a minion on free loopback ports, with everything (configuration, keys, logs, event log) under DIR
(default ./var), prints commands to try and shows every event as it happens. Ctrl-C stops all.
`;

async function main(): Promise<void> {
  const [dirArg] = process.argv.slice(2);
  if (dirArg === '-h' || dirArg === '--help') {
    process.stdout.write(HELP);
    return;
  }
  const dir = resolve(dirArg ?? 'var');
  const bin = resolve(__brine_dist, '..', 'bin');
  const began = performance.now();
  const place = await startPlayground(dir, __brine_dist);
  let events: SaltEvent | undefined;
  let over = false;
  const stop = async (): Promise<void> => {
    if (over) return;
    over = true;
    process.stdout.write('\nStopping …\n');
    events?.close();
    await place.stop();
    process.exit(0);
  };
  process.on('SIGINT', () => void stop());
  process.on('SIGTERM', () => void stop());
  process.stdout.on('error', () => void stop());

  events = new SaltEvent('master', place.sockDir);
  const near = (path: string): string => {
    const rel = relative(process.cwd(), path);
    return rel.startsWith('..') ? path : rel;
  };
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const command = (program: string, rest: string): string =>
    `  ${near(join(bin, program))} -c ${near(place.config)} ${rest}`;
  const colour = process.stdout.isTTY === true;
  let shown = false;
  for await (const e of events.iterEvents({ full: true, follow: true })) {
    const tag = colour ? `\u001b[0;36m${e.tag}\u001b[0;0m` : e.tag;
    say(`${tag}\t${JSON.stringify(e.data, (_k, v: unknown) => (typeof v === 'bigint' ? String(v) : v))}`);
    if (shown || e.tag !== 'salt/minion/demo/start') continue;
    shown = true;
    say(`
Master and minion are up after ${((performance.now() - began) / 1000).toFixed(1)} s. In another terminal, try:

  # run a function on every minion, ask one for facts
${command('salt', "'*' test.ping")}
${command('salt', 'demo grains.item os kernel')}

  # fire an event: the rule in ${near(join(dir, 'srv/reactor/hello.sls'))} answers it with a job
${command('salt-call', 'event.send demo/web1/hello who=reader')}
${command('salt-run', 'event.send demo/db1/hello \'{"who": "operator"}\'')}

  # what happened, from the durable log; what ran; who is trusted
${command('eventlisten', '--since 1h')}
${command('salt-run', 'jobs.list_jobs')}
${command('salt-key', '-L')}

Events from here on (Ctrl-C stops everything):
`);
  }
}

main().catch((e: unknown) => {
  process.stderr.write(`${e instanceof Error ? e.message : String(e)}\n`);
  process.exit(1);
});
