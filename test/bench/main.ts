import { existsSync, mkdirSync } from 'node:fs';
import { cpus, homedir, loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../bus/errors.ts';
import type { Case } from './case.ts';
import { call, daemons, version } from './cases/commands.ts';
import { events } from './cases/events.ts';
import { jobReactions, runnerReactions } from './cases/reactions.ts';
import { minionEvents, returns, swarm } from './cases/wire.ts';
import { closeStages, type Side } from './stage.ts';
import { type Row, ratioOf, tableOf } from './table.ts';
import { firer } from './traffic.ts';

/*
 * Speed and memory of the product, beside a real Salt where one is given: both sides in turn, the same programs against both, medians of the
 * rounds. Prints a table and, with --json, a line of JSON for each measurement and each row. Nothing here passes or fails.
 */

const CASES: readonly Case[] = [
  version,
  call,
  daemons,
  events,
  minionEvents,
  runnerReactions,
  jobReactions,
  returns,
  swarm,
];

const HELP = `Usage: npm run bench -- [options]

  --peer DIR     bin folder of a real Salt, to be measured in turn with ours
  --ours DIR     bin folder of ours (default ./bin)
  --only NAME    one case, or several with commas: ${CASES.map((c) => c.name).join(', ')}
  --rounds N     how often each case is measured on each side (default 3)
  --json         print a line of JSON for each measurement as it comes
`;

async function main(): Promise<void> {
  const { values: o } = parseArgs({
    options: {
      peer: { type: 'string' },
      ours: { type: 'string', default: 'bin' },
      only: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (o.help) {
    process.stdout.write(HELP);
    return;
  }
  const sides: Side[] = [{ name: 'ours', bin: resolve(o.ours) }];
  if (o.peer) sides.push({ name: 'peer', bin: resolve(o.peer) });
  for (const s of sides) if (!existsSync(join(s.bin, 'salt-master'))) throw new Error(`no salt-master in ${s.bin}`);
  const names = o.only?.split(',');
  const unknown = names?.filter((n) => !CASES.some((c) => c.name === n));
  if (unknown?.length) throw new Error(`no case ${unknown.join(', ')}\n${HELP}`);
  const chosen = CASES.filter((c) => !names || names.includes(c.name));
  const rounds = Math.max(1, Number(o.rounds) || 1);
  const keyDir = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'brine-swarm');
  mkdirSync(keyDir, { recursive: true, mode: 0o700 });

  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void closeStages().finally(() => process.exit(1)));

  const rows: Row[] = [];
  for (const c of chosen) {
    const own: Row[] = c.figures.map((figure) => ({ name: c.name, figure, ours: [], peer: [] }));
    for (let round = 0; round < Math.min(rounds, c.rounds ?? rounds); round++)
      // The order turns with each round, so that neither always runs on the warmer machine.
      for (const side of round % 2 ? [...sides].reverse() : sides) {
        const load = loadavg()[0] as number;
        try {
          const figures = await c.measure(side, { keyDir });
          if (o.json)
            process.stdout.write(`${JSON.stringify({ case: c.name, side: side.name, round, load, ...figures })}\n`);
          else process.stderr.write(`${c.name}, ${side.name}, round ${round + 1}: ${told(figures)}\n`);
          for (const r of own) {
            const value = figures[r.figure.key];
            if (value !== undefined) r[side.name].push(value);
          }
        } catch (e) {
          process.stderr.write(`${c.name}, ${side.name}, round ${round + 1} failed: ${messageOf(e)}\n`);
          process.exitCode = 1;
        }
      }
    rows.push(...own);
  }
  if (o.json)
    for (const r of rows)
      process.stdout.write(
        `${JSON.stringify({ case: r.name, figure: r.figure.key, unit: r.figure.unit, ours: r.ours, peer: r.peer, ratio: ratioOf(r) })}\n`,
      );
  process.stdout.write(
    `\n${tableOf(rows)}\n\n${cpus().length} cores, Node ${process.version}, medians of ${rounds} rounds\n`,
  );
}

const told = (figures: Record<string, number>): string =>
  Object.entries(figures)
    .map(([k, v]) => `${k} ${v < 10 ? v.toFixed(3) : Math.round(v)}`)
    .join(', ');

const [role, ...words] = process.argv.slice(2);
if (role === 'firer')
  firer(words[0] as string, words[1] as string, words[2] as string, Number(words[3])).then(
    (done) => process.send?.(done, () => process.disconnect()),
    (e: unknown) => {
      process.stderr.write(`${messageOf(e)}\n`);
      process.exit(1);
    },
  );
else
  main().catch((e: unknown) => {
    process.stderr.write(`${messageOf(e)}\n`);
    process.exit(1);
  });
