import { join, resolve } from 'node:path';
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
  const place = await startPlayground(dir, bin);
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
  const c = `-c ${place.config}`;
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  let shown = false;
  for await (const e of events.iterEvents({ full: true, follow: true })) {
    const data = e.data as Record<string, unknown>;
    say(`${e.tag}\t${JSON.stringify(data, (_k, v: unknown) => (typeof v === 'bigint' ? String(v) : v))}`);
    if (!shown && e.tag === 'salt/minion/demo/start') {
      shown = true;
      say(`
Master and minion are up after ${((performance.now() - began) / 1000).toFixed(1)} s. In another terminal, try:

  ${join(bin, 'salt')} ${c} '*' test.ping                                  run a function on every minion
  ${join(bin, 'salt')} ${c} demo grains.item os kernel                     ask for facts
  ${join(bin, 'salt-call')} ${c} event.send demo/web1/hello who=reader           fire an event: the rule in
      ${join(dir, 'srv/reactor/hello.sls')} answers it with a job
  ${join(bin, 'salt-run')} ${c} event.send demo/db1/hello '{"who": "operator"}'   the same from the master
  ${join(bin, 'salt-run')} ${c} jobs.list_jobs                             what ran
  ${join(bin, 'eventlisten')} ${c} --since 1h                               what happened, from the durable log
  ${join(bin, 'salt-key')} ${c} -L                                         who is trusted

Events from here on (Ctrl-C stops everything):
`);
    }
  }
}

main().catch((e: unknown) => {
  process.stderr.write(`${e instanceof Error ? e.message : String(e)}\n`);
  process.exit(1);
});
