import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir, release, type as systemType } from 'node:os';
import { join, resolve } from 'node:path';
import { messageOf } from '../bus/errors.ts';
import { quietLog } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { mkFloat, type Py, PyDict } from '../bus/values.ts';
import { SALT_CODENAME, SALT_VERSION } from '../bus/version.ts';
import { helpText, usageLine } from './cli-help.ts';
import { type OptionSpec, PROGRAMS, type ProgramName } from './cli-option-table.ts';
import { readConfigFile } from './config-file.ts';

export { helpText } from './cli-help.ts';
export type { ProgramName } from './cli-option-table.ts';

/** A command line, read. */
export interface CommandLine {
  readonly program: ProgramName;
  /** Every option by its name in the configuration, given or not. */
  readonly options: PyDict;
  /** Names of the options that were given. */
  readonly explicit: ReadonlySet<string>;
  /** The words that are no options. */
  readonly args: string[];
}

/** The program is over before it began: help or version was asked for, or the command line is wrong. Print both texts and exit. */
export class CommandLineExit extends Error {
  constructor(
    readonly exitCode: number,
    readonly stdout: string,
    readonly stderr = '',
  ) {
    super(stderr || stdout);
    this.name = 'CommandLineExit';
  }
}

/** Exit code of a wrong command line. */
const EX_USAGE = 64;

/** The end of a program whose command line is wrong: usage and reason on standard error, exit code 64. */
export function usageError(program: ProgramName, reason: string, stdout = ''): CommandLineExit {
  return new CommandLineExit(EX_USAGE, stdout, `${usageLine(program)}\n\n${program}: error: ${reason}\n`);
}

/** What {@link parseCommandLine} reads besides its words; the process's own by default. */
export interface CommandLineSetting {
  env?: Readonly<Record<string, string | undefined>>;
  cwd?: string;
  /** Standard input, for `--args-stdin`. */
  stdin?: () => string;
}

/**
 * Reads a command line as Salt's programs do: options may stand after other words, long ones may be cut as long as they are unique,
 * `--` ends them. A Saltfile's options fill what was not given. Throws {@link CommandLineExit} for help, version and mistakes.
 */
export function parseCommandLine(
  program: ProgramName,
  argv: readonly string[],
  setting: CommandLineSetting = {},
): CommandLine {
  const env = setting.env ?? process.env;
  const reader = new Reader(program, env);
  reader.read(argv);
  if (reader.options.get('args_stdin') === true) {
    const text = (setting.stdin ?? (() => readFileSync(0, 'utf8')))();
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    reader.read(lines.map((l) => l.replace(/\r+$/, '')));
  }
  if (reader.options.get('versions_report') === true) throw new CommandLineExit(0, versionsReport());
  reader.saltfile(setting.cwd);
  reader.finish();
  return { program, options: reader.options, explicit: reader.explicit, args: reader.args };
}

/**
 * Lays a command line over the configuration: what was given wins, the rest fills gaps. The same values are written back into
 * `options`, so that both agree afterwards.
 */
export function mergeCommandLine(opts: Opts, line: CommandLine): Opts {
  const merged = opts.with({});
  for (const [key, value] of line.options) {
    const name = key as string;
    const before = merged.get(name) ?? null;
    if (value !== null && (before === null || line.explicit.has(name))) merged.set(name, value);
    else if (merged.has(name)) line.options.set(name, before);
  }
  return merged;
}

/** The kind of target that was chosen (`-G`: grain), undefined for the usual shell pattern. */
export function selectedTarget(line: CommandLine): string | undefined {
  const group = PROGRAMS[line.program].groups.find((g) => g.title === 'Target Options');
  const chosen = group?.options.find((o) => o.dest !== 'list_hosts' && line.options.get(o.dest) === true);
  return chosen && (chosen.dest === 'pillar_target' ? 'pillar' : chosen.dest);
}

/** The folder of the configuration, absolute; a warning goes to standard error where there is none. */
export function configDir(line: CommandLine, warn: (text: string) => void): string {
  const given = String(line.options.get('config_dir'));
  const dir = resolve(given.replace(/^~(?=\/|$)/, homedir()));
  if (!existsSync(dir) || !statSync(dir).isDirectory()) warn(`WARNING: CONFIG '${dir}' directory does not exist.\n`);
  return dir;
}

/** What `--versions-report` prints. */
function versionsReport(): string {
  const { node, v8, openssl } = process.versions;
  return [
    'Salt Version:',
    `          Salt: ${SALT_VERSION}`,
    ' ',
    'Node Version:',
    `          Node: ${node}`,
    ' ',
    'Dependency Versions:',
    `            V8: ${v8}`,
    `       OpenSSL: ${openssl}`,
    ' ',
    'System Versions:',
    `       machine: ${process.arch}`,
    `       release: ${release()}`,
    `        system: ${systemType()}`,
    '',
  ].join('\n');
}

class Reader {
  readonly options = new PyDict();
  readonly explicit = new Set<string>();
  readonly args: string[] = [];
  private readonly specs: OptionSpec[];
  private readonly byFlag = new Map<string, OptionSpec>();

  constructor(
    private readonly program: ProgramName,
    private readonly env: Readonly<Record<string, string | undefined>>,
  ) {
    const { options, groups } = PROGRAMS[program];
    this.specs = [...options, ...groups.flatMap((g) => g.options)];
    const fromEnv: Record<string, Py> = {};
    if (env['SALT_CONFIG_DIR']) fromEnv['config_dir'] = env['SALT_CONFIG_DIR'];
    if (env['SALT_HARD_CRASH']) fromEnv['hard_crash'] = env['SALT_HARD_CRASH'];
    if (env['SALT_NO_PARSE']) fromEnv['no_parse'] = env['SALT_NO_PARSE'];
    for (const s of this.specs) {
      for (const f of s.flags) this.byFlag.set(f, s);
      if (s.dest && !this.options.has(s.dest))
        this.options.set(s.dest, fromEnv[s.dest] ?? (Array.isArray(s.initial) ? [...s.initial] : s.initial));
    }
  }

  private fail(reason: string): never {
    throw usageError(this.program, reason);
  }

  read(words: readonly string[]): void {
    const rest = [...words];
    while (rest.length) {
      const word = rest.shift()!;
      if (word === '--') {
        this.args.push(...rest);
        return;
      }
      if (word.startsWith('--')) this.long(word, rest);
      else if (word.startsWith('-') && word.length > 1) this.short(word, rest);
      else this.args.push(word);
    }
  }

  private long(word: string, rest: string[]): void {
    const cut = word.indexOf('=');
    const name = this.fullName(cut < 0 ? word : word.slice(0, cut));
    const spec = this.byFlag.get(name)!;
    const given = cut < 0 ? undefined : word.slice(cut + 1);
    if (!takesValue(spec)) {
      if (given !== undefined) this.fail(`${name} option does not take a value`);
      this.apply(spec, name, '');
    } else this.apply(spec, name, given ?? this.value(name, rest));
  }

  private fullName(given: string): string {
    if (this.byFlag.has(given)) return given;
    const like = [...this.byFlag.keys()].filter((f) => f.startsWith('--') && f.startsWith(given));
    if (like.length === 1) return like[0]!;
    if (!like.length) this.fail(`no such option: ${given}`);
    return this.fail(`ambiguous option: ${given} (${like.sort().join(', ')}?)`);
  }

  private short(word: string, rest: string[]): void {
    const letters = Array.from(word.slice(1));
    while (letters.length) {
      const name = `-${letters.shift()}`;
      const spec = this.byFlag.get(name);
      if (!spec) this.fail(`no such option: ${name}`);
      if (takesValue(spec)) {
        const attached = letters.splice(0).join('');
        this.apply(spec, name, attached || this.value(name, rest));
      } else this.apply(spec, name, '');
    }
  }

  private value(name: string, rest: string[]): string {
    const value = rest.shift();
    if (value === undefined) this.fail(`${name} option requires 1 argument`);
    return value;
  }

  private apply(spec: OptionSpec, name: string, text: string): void {
    if (spec.action === 'help') throw new CommandLineExit(0, helpText(this.program, process.stdout.columns));
    if (spec.action === 'version') throw new CommandLineExit(0, `${this.program} ${SALT_VERSION} (${SALT_CODENAME})\n`);
    this.explicit.add(spec.dest);
    if (spec.action === 'on' || spec.action === 'off') this.options.set(spec.dest, spec.action === 'on');
    else if (spec.action === 'append') {
      const before = this.options.get(spec.dest);
      this.options.set(spec.dest, [...(Array.isArray(before) ? before : []), text]);
    } else this.options.set(spec.dest, this.typed(spec, name, text));
  }

  private typed(spec: OptionSpec, name: string, text: string): Py {
    if (spec.type === 'int') {
      const t = text.trim();
      const n = integer(t);
      return n === undefined ? this.fail(`option ${name}: invalid integer value: '${text}'`) : n;
    }
    if (spec.type === 'float') {
      const n = text.trim() === '' ? Number.NaN : Number(text);
      return Number.isNaN(n) ? this.fail(`option ${name}: invalid floating-point value: '${text}'`) : mkFloat(n);
    }
    if (spec.type === 'choice' && !spec.choices.includes(text))
      this.fail(
        `option ${name}: invalid choice: '${text}' (choose from ${spec.choices.map((c) => `'${c}'`).join(', ')})`,
      );
    return text;
  }

  /** Options of this program in the Saltfile; those of the command line go before. */
  saltfile(cwd: string | undefined): void {
    const wanted = this.options.get('saltfile') ?? this.env['SALT_SALTFILE'] ?? null;
    const usual = [join(cwd ?? process.cwd(), 'Saltfile'), join(this.env['HOME'] ?? homedir(), '.salt', 'Saltfile')];
    const file =
      typeof wanted === 'string' && wanted ? wanted : usual.find((f) => existsSync(f) && statSync(f).isFile());
    if (file === undefined) return;
    if (!existsSync(file) || !statSync(file).isFile()) this.fail(`'${file}' file does not exist.\n`);
    this.options.set('saltfile', resolve(file));
    for (const [key, value] of this.saltfileOptions(file))
      if (!this.explicit.has(key)) {
        this.options.set(key, value);
        this.explicit.add(key);
      }
  }

  private saltfileOptions(file: string): [string, Py][] {
    try {
      const own = readConfigFile(file, quietLog).get(this.program);
      return own instanceof PyDict ? [...own].map(([k, v]): [string, Py] => [String(k), v]) : [];
    } catch (e) {
      return this.fail(messageOf(e));
    }
  }

  /** What Salt makes of some values before it uses them. */
  finish(): void {
    const { options } = this;
    for (const key of ['state_verbose', 'rotate_aes_key', 'preserve_minions']) {
      const v = options.get(key);
      if (typeof v === 'string' && /^(true|false)$/i.test(v)) options.set(key, v.toLowerCase() === 'true');
    }
    const noParse = options.get('no_parse');
    if (noParse !== undefined)
      options.set('no_parse', typeof noParse === 'string' && noParse ? noParse.split(',').map((x) => x.trim()) : []);
    const list = options.get('list');
    if (typeof list === 'string' && list && !/^(acc|pre|un|rej|den|all)/.test(list))
      this.fail(`'${list}' is not a valid argument to '--list'`);
    const size = options.get('keysize');
    if (typeof size === 'number' && size < 2048) this.fail('The minimum value for keysize is 2048');
    if (typeof size === 'number' && size > 32768) this.fail('The maximum value for keysize is 32768');
    this.oneTarget();
  }

  private oneTarget(): void {
    const group = PROGRAMS[this.program].groups.find((g) => g.title === 'Target Options');
    const chosen = group?.options.filter((o) => this.options.get(o.dest) === true) ?? [];
    if (chosen.length < 2) return;
    const names = chosen.map((o) => o.flags.find((f) => f.startsWith('--'))).join('/');
    this.fail(`The options ${names} are mutually exclusive. Please only choose one of them`);
  }
}

function takesValue(spec: OptionSpec): boolean {
  return spec.action === 'store' || spec.action === 'append';
}

/** An integer as optparse reads it: prefixes 0x, 0b and a leading zero (octal) count. */
function integer(text: string): number | undefined {
  if (/^0[xb]/i.test(text)) return Number.isNaN(Number(text)) ? undefined : Number(text);
  if (/^0./.test(text)) return /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
  return /^[-+]?\d+(_\d+)*$/.test(text) ? Number(text.replaceAll('_', '')) : undefined;
}
