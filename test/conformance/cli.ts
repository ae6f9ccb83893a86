/** Runs recorded command lines (`cli.json`) against live daemons of this build: exit code, both outputs, and what they left behind. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../bus/errors.ts';
import { portIsFree } from '../services/ports.ts';
import { besides } from './case-files.ts';
import { type Json, Marks, textMatches } from './marks.ts';
import type { CaseResult } from './result.ts';
import { Stage } from './stage.ts';

interface CliCase {
  readonly name: string;
  readonly argv: readonly string[];
  readonly on?: string;
  readonly stdin?: string;
  readonly exit_code: number;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly stdout_json?: Json;
  readonly stdout_common_lines?: string[];
  readonly stderr_common_lines?: string[];
  readonly unordered_lines?: boolean;
  readonly file_after?: string | null;
  readonly files_after?: string[];
  readonly keys_after?: Record<string, string[]>;
}

interface Fixtures {
  readonly minions_up: string[];
  readonly accepted_but_down: string;
  readonly master: Record<string, Json>;
  readonly files: Record<string, string>;
  readonly pillar: Record<string, Json>;
  readonly salt_key_cases: {
    readonly accepted: string[];
    readonly pending: string[];
    readonly rejected: string[];
    readonly public_keys: Record<string, string>;
  };
}

/** Settings of the recording machine that its answers show. */
const PORTS = { publish: 4625, ret: 4626 };
const WORKERS = 3;

/** Blank lines of an error output, and what Python says of its own, are not recorded. */
function complaint(text: string): string {
  const lines = text.split('\n').filter((l) => l.trim() !== '' && !/unclosed|Deprecat/i.test(l));
  return lines.length ? `${lines.join('\n')}\n` : '';
}

/** The path that a case is about: its last word with the scratch folder in it. */
function pathOf(c: CliCase, lab: string): string | undefined {
  return c.argv.findLast((w) => w.includes('{LAB}'))?.replace(/^.*?\{LAB\}/, lab);
}

function sorted(text: string): string {
  return text.split('\n').sort().join('\n');
}

/** Whether the order of printed minions counts. */
function unordered(c: CliCase, fixtures: Fixtures): boolean {
  if (c.unordered_lines) return true;
  const ids = [...fixtures.minions_up, fixtures.accepted_but_down];
  const shown = ids.filter((id) => new RegExp(`^${id}:`, 'm').test(c.stdout ?? ''));
  return c.argv[0] === 'salt' && shown.length > 1 && !c.argv.includes('--static');
}

function differences(c: CliCase, code: number | null, out: string, err: string, loose: boolean): string[] {
  const lines: string[] = [];
  const differ = (what: string, came: unknown, recorded: unknown): void => {
    lines.push(
      `${what}: came     ${JSON.stringify(came)}\n${' '.repeat(what.length)}  recorded ${JSON.stringify(recorded)}`,
    );
  };
  if (code !== c.exit_code) differ('exit code', code, c.exit_code);
  if (c.stdout_json !== undefined) {
    let data: unknown;
    try {
      data = JSON.parse(out);
    } catch {
      data = out;
    }
    if (!isDeepStrictEqual(data, c.stdout_json)) differ('stdout', data, c.stdout_json);
  } else if (c.stdout_common_lines) {
    const came = out.split('\n');
    const lost = c.stdout_common_lines.filter((l) => !came.some((x) => textMatches(l, x)));
    if (lost.length) differ('stdout', out, lost);
  } else if (c.stdout !== undefined && !textMatches(c.stdout, out) && !(loose && sorted(c.stdout) === sorted(out)))
    differ('stdout', out, c.stdout);
  if (c.stderr_common_lines) {
    const lost = c.stderr_common_lines.filter((l) => !err.split('\n').some((x) => textMatches(l, x)));
    if (lost.length) differ('stderr', err, lost);
  } else if (c.stderr !== undefined && !textMatches(complaint(c.stderr), err)) differ('stderr', err, c.stderr);
  return lines;
}

/** Where the recording machine's ports are taken, others were used: they are shown under the recorded numbers. */
function asRecordedPorts(text: string, stage: Stage): string {
  const { publish, ret } = stage.place.ports;
  const shown = (from: number, to: number, t: string): string =>
    t.replace(new RegExp(`\\b${from}\\b`, 'g'), String(to));
  return shown(publish, PORTS.publish, shown(ret, PORTS.ret, text));
}

async function runCase(c: CliCase, stage: Stage, fixtures: Fixtures): Promise<CaseResult> {
  const lab = stage.place.root;
  const keysCase = c.keys_after !== undefined;
  const path = pathOf(c, lab);
  if (path !== undefined && c.files_after) mkdirSync(path, { recursive: true });
  const [program, ...words] = c.argv.map((w) => w.replaceAll('{LAB}', lab));
  const ran = await stage.run(program!, words, c.on, c.stdin);
  const keepKeys = keysCase && !JSON.stringify([c.stdout, c.stderr]).includes('<FINGERPRINT>');
  const marks = new Marks({ lab, keepKeys });
  const raw = [ran.stdout, ran.stderr].map((t) => asRecordedPorts(t, stage));
  marks.learn(...raw);
  const [out, err] = raw.map((t) => marks.printed(t)) as [string, string];
  const lines = differences(c, ran.code, out, complaint(err), unordered(c, fixtures));
  const check = (what: string, came: unknown, recorded: unknown): void => {
    if (!isDeepStrictEqual(came, recorded))
      lines.push(`${what}: came ${JSON.stringify(came)}, recorded ${JSON.stringify(recorded)}`);
  };
  if (c.file_after !== undefined && path !== undefined)
    check('file', existsSync(path) ? readFileSync(path, 'utf8') : null, c.file_after);
  if (c.files_after && path !== undefined)
    check(
      'files',
      readdirSync(path)
        .map((f) => f.replace(hostname(), '<HOST>'))
        .sort(),
      [...c.files_after].sort(),
    );
  if (c.keys_after) check('keys', keysOf(lab), c.keys_after);
  return lines.length ? { name: c.name, ok: false, detail: lines.join('\n') } : { name: c.name, ok: true };
}

const KINDS = ['minions', 'minions_pre', 'minions_rejected', 'minions_denied'] as const;
const pki = (lab: string, kind: string): string => join(lab, 'master/pki', kind);

function keysOf(lab: string): Record<string, string[]> {
  const names = (kind: string): string[] => (existsSync(pki(lab, kind)) ? readdirSync(pki(lab, kind)).sort() : []);
  return Object.fromEntries(KINDS.map((k) => [k, names(k)]));
}

/** Puts the keys of the salt-key cases back. */
function resetKeys(lab: string, keys: Fixtures['salt_key_cases']): void {
  const has = {
    minions: keys.accepted,
    minions_pre: keys.pending,
    minions_rejected: keys.rejected,
    minions_denied: [],
  };
  for (const kind of KINDS) {
    const dir = pki(lab, kind);
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    for (const id of has[kind]) writeFileSync(join(dir, id), keys.public_keys[id] ?? '');
  }
}

async function openStage(fixtures: Fixtures, minions: string[]): Promise<Stage> {
  const free = minions.length > 0 && (await portIsFree(PORTS.publish)) && (await portIsFree(PORTS.ret));
  const stage = await Stage.open({
    minions,
    over: { master: { worker_threads: WORKERS, ...fixtures.master } },
    ...(free ? { ports: PORTS } : {}),
  });
  for (const [path, text] of Object.entries(fixtures.files)) stage.place.write(`srv/salt/${path}`, text);
  stage.place.write('srv/salt/top.sls', "base:\n  '*':\n    - good\n");
  stage.place.write('srv/pillar/top.sls', "base:\n  '*':\n    - own\n");
  stage.place.write('srv/pillar/own.sls', `${JSON.stringify(fixtures.pillar)}\n`);
  return stage;
}

async function runSome(
  cases: readonly CliCase[],
  fixtures: Fixtures,
  minions: string[],
  before: (stage: Stage) => void,
): Promise<CaseResult[]> {
  if (!cases.length) return [];
  const stage = await openStage(fixtures, minions);
  const results: CaseResult[] = [];
  try {
    // An accepted minion that never was here has a key and nothing else.
    const down = fixtures.accepted_but_down;
    stage.place.write(`master/pki/minions/${down}`, fixtures.salt_key_cases.public_keys[down] ?? '');
    await stage.start(minions);
    for (const c of cases)
      try {
        before(stage);
        results.push(await runCase(c, stage, fixtures));
      } catch (e) {
        results.push({ name: c.name, ok: false, detail: `could not be run: ${messageOf(e)}` });
      }
  } catch (e) {
    const detail = `the place did not come up: ${messageOf(e)}\n${stage.logs()}`;
    for (const c of cases.slice(results.length)) results.push({ name: c.name, ok: false, detail });
  } finally {
    await stage.close();
  }
  return results;
}

/** Runs the recorded command lines of a file; those of salt-key on a master of their own, whose keys are put back before each. */
export async function runCli(file: string): Promise<CaseResult[]> {
  const cases = JSON.parse(readFileSync(file, 'utf8')) as CliCase[];
  const fixtures = JSON.parse(readFileSync(besides(file, 'cli.fixtures.json'), 'utf8')) as Fixtures;
  const ofKeys = cases.filter((c) => c.argv[0] === 'salt-key');
  const others = cases.filter((c) => c.argv[0] !== 'salt-key');
  const parts = await Promise.all([
    runSome(others, fixtures, fixtures.minions_up, () => undefined),
    runSome(ofKeys, fixtures, [], (stage) => resetKeys(stage.place.root, fixtures.salt_key_cases)),
  ]);
  const found = new Map(parts.flat().map((r) => [r.name, r]));
  return cases.map((c) => found.get(c.name) ?? { name: c.name, ok: false, detail: 'was not run' });
}
