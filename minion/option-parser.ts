import { SaltError } from '../bus/errors.ts';

/** One option of a command line. */
export interface OptionSpec {
  /** Spellings, `-l` and `--log-level`. */
  names: readonly string[];
  /** Key under which its value is found. */
  key: string;
  /** Absent: takes a value. `flag`: takes none and gives `true` (or `value`). `append`: may be given several times. */
  kind?: 'flag' | 'append' | 'int' | 'optional';
  /** What a flag gives. */
  value?: string | boolean;
  metavar?: string;
  help: string;
  group?: string;
}

/** What was given on a command line. */
export interface Parsed {
  options: Map<string, string | number | boolean | string[]>;
  args: string[];
}

/** A command line that cannot be understood; its text goes after `<program>: error: `. Exit code 64. */
export class UsageError extends SaltError {
  constructor(message: string) {
    super('SaltInvocationError', message, { exit: 64 });
  }
}

function find(specs: readonly OptionSpec[], word: string): OptionSpec {
  const exact = specs.find((s) => s.names.includes(word));
  if (exact) return exact;
  const names = word.startsWith('--') ? specs.flatMap((s) => s.names.filter((n) => n.startsWith(word))) : [];
  if (names.length > 1) throw new UsageError(`ambiguous option: ${word} (${[...names].sort().join(', ')}?)`);
  const one = specs.find((s) => s.names.includes(names[0] ?? ''));
  if (!one) throw new UsageError(`no such option: ${word}`);
  return one;
}

/**
 * Reads a command line as Python's optparse does: options and arguments mixed, `--name=value` or `--name value`, short options
 * joined (`-lquiet`), long ones shortened where that is unmistakable, nothing but arguments after `--`. Throws {@link UsageError}.
 */
export function parseWords(words: readonly string[], specs: readonly OptionSpec[]): Parsed {
  const options: Parsed['options'] = new Map();
  const args: string[] = [];
  const set = (spec: OptionSpec, name: string, value: string | undefined): void => {
    if (spec.kind === 'flag') options.set(spec.key, spec.value ?? true);
    else if (spec.kind === 'append') {
      const old = options.get(spec.key);
      options.set(spec.key, [...(Array.isArray(old) ? old : []), value as string]);
    } else if (spec.kind === 'int') {
      if (!/^\s*[+-]?\d+\s*$/.test(value as string))
        throw new UsageError(`option ${name}: invalid integer value: '${value}'`);
      options.set(spec.key, Number(value));
    } else options.set(spec.key, value as string);
  };
  const needs = (s: OptionSpec): boolean => s.kind !== 'flag';
  const rest = [...words];
  const valueOf = (name: string): string => {
    const next = rest.shift();
    if (next === undefined) throw new UsageError(`${name} option requires 1 argument`);
    return next;
  };
  while (rest.length) {
    const word = rest.shift() as string;
    if (word === '--') {
      args.push(...rest);
      break;
    }
    if (word.startsWith('--')) {
      const eq = word.indexOf('=');
      const spec = find(specs, eq < 0 ? word : word.slice(0, eq));
      const name = spec.names.find((n) => n.startsWith('--')) ?? word;
      if (!needs(spec)) {
        if (eq >= 0) throw new UsageError(`${name} option does not take a value`);
        set(spec, name, undefined);
      } else set(spec, name, eq < 0 ? valueOf(name) : word.slice(eq + 1));
    } else if (word.startsWith('-') && word.length > 1) {
      for (let at = 1; at < word.length; at++) {
        const name = `-${word[at]}`;
        const spec = find(specs, name);
        if (!needs(spec)) {
          set(spec, name, undefined);
          continue;
        }
        set(spec, name, at + 1 < word.length ? word.slice(at + 1) : valueOf(name));
        break;
      }
    } else args.push(word);
  }
  return { options, args };
}

const WIDTH = 79;
const COLUMN = 24;

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  if (line) lines.push(line);
  return lines;
}

/** The help screen: usage, description, options by group. */
export function helpText(program: string, usage: string, description: string, specs: readonly OptionSpec[]): string {
  const out = [`Usage: ${usage}`, '', ...wrapped(description, WIDTH), '', 'Options:'];
  const show = (s: OptionSpec, indent: number): void => {
    const meta = s.metavar ?? s.key.toUpperCase();
    const left = s.names
      .map((n) => (s.kind === 'flag' ? n : n.startsWith('--') ? `${n}=${meta}` : `${n} ${meta}`))
      .join(', ');
    const lines = wrapped(s.help, WIDTH - COLUMN);
    const head = `${' '.repeat(indent)}${left}`;
    if (head.length <= COLUMN - 2) out.push(`${head.padEnd(COLUMN)}${lines.shift() ?? ''}`.trimEnd());
    else out.push(head);
    for (const l of lines) out.push(' '.repeat(COLUMN) + l);
  };
  for (const s of specs) if (!s.group) show(s, 2);
  for (const group of new Set(specs.flatMap((s) => s.group ?? []))) {
    out.push('', `  ${group}:`);
    for (const s of specs) if (s.group === group) show(s, 4);
  }
  out.push('', `You can find additional help about ${program} issuing "man ${program}"`, '');
  return out.join('\n');
}
