/** Every category of recorded answers: where its cases are, and what runs them. */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { runCaptures } from './captures.ts';
import { captureFolder, caseFile, formulaFolder } from './case-files.ts';
import { runCkminions } from './ckminions.ts';
import { runCli } from './cli.ts';
import { runCliargs } from './cliargs.ts';
import { runConfig } from './config.ts';
import { runEvents } from './events.ts';
import { runFormulas } from './formulas.ts';
import { runJinja } from './jinja.ts';
import { realModules } from './jinja-modules.ts';
import { runMatchers } from './matchers.ts';
import { runOutputters } from './outputters.ts';
import { runPillar } from './pillar.ts';
import { runReactor } from './reactor.ts';
import { runReactorBus } from './reactor-bus.ts';
import type { CaseResult } from './result.ts';
import { runSlsCompile } from './sls_compile.ts';
import { runStateRun } from './state_run.ts';
import { runYaml } from './yaml.ts';

/** Where the recorded answers and the formulas' own files are. */
export interface Sources {
  readonly cases: string;
  /** One directory a formula; without it formulas are not run. */
  readonly formulas?: string;
}

/** A category of recorded answers. */
export interface Category {
  readonly name: string;
  /** Starts daemons of its own, and takes minutes. */
  readonly live: boolean;
  /** Runs all cases found; undefined where the folder holds none of this category. */
  run(from: Sources): Promise<CaseResult[]> | CaseResult[] | undefined;
}

function ofFile(
  name: string,
  run: (path: string) => Promise<CaseResult[]> | CaseResult[],
  more: { file?: string; live?: boolean } = {},
): Category {
  return {
    name,
    live: more.live ?? false,
    run(from) {
      const path = caseFile(from.cases, more.file ?? name);
      return path === undefined ? undefined : run(path);
    },
  };
}

/** Every category, in the order in which they are run. */
export const CATEGORIES: readonly Category[] = [
  {
    name: 'captures',
    live: false,
    run(from) {
      const folder = captureFolder(from.cases);
      return folder === undefined ? undefined : runCaptures(folder);
    },
  },
  ofFile('matchers', (path) => runMatchers(dirname(path))),
  ofFile('ckminions', (path) => runCkminions(dirname(path))),
  ofFile('cliargs', runCliargs),
  ofFile('outputters', (path) => runOutputters(dirname(path))),
  ofFile('config', runConfig),
  ofFile('yaml', runYaml),
  ofFile('jinja', (path) => runJinja(path, realModules)),
  ofFile('sls_compile', runSlsCompile),
  ofFile('pillar', runPillar),
  ofFile('state_run', runStateRun),
  {
    name: 'formulas',
    live: false,
    run(from) {
      const folder = formulaFolder(from.cases);
      return folder === undefined ? undefined : runFormulas(folder, from.formulas);
    },
  },
  ofFile('reactor', runReactor),
  ofFile('reactor_bus', runReactorBus, { file: 'reactor', live: true }),
  ofFile('events', runEvents, { live: true }),
  ofFile('cli', runCli, { live: true }),
];

/** Reasons, by category and case, why a difference is better than what was recorded. Nothing else is ever exempt. */
export type Better = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Reads the list of exemptions. */
export function readBetter(): Better {
  return JSON.parse(readFileSync('test/conformance/better.json', 'utf8')) as Better;
}

/** What a category's run came to. */
export interface Tally {
  readonly passed: number;
  readonly total: number;
  /** Cases that differ on purpose, with the reason. */
  readonly better: readonly { name: string; reason: string }[];
  readonly failed: readonly CaseResult[];
}

/** Counts results. An exempt case that came out as recorded counts as passed. */
export function tally(results: readonly CaseResult[], exempt: Readonly<Record<string, string>> = {}): Tally {
  const differ = results.filter((r) => !r.ok);
  const better = differ.flatMap((r) => {
    const reason = exempt[r.name];
    return reason === undefined ? [] : [{ name: r.name, reason }];
  });
  const failed = differ.filter((r) => exempt[r.name] === undefined);
  return { passed: results.length - differ.length, total: results.length, better, failed };
}
