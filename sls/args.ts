import { SaltError } from '../bus/errors.ts';
import { type Py, PyDict, PyFloat } from '../bus/values.ts';
import { loadYaml, YamlError } from './yaml.ts';

const KEYWORD = /^((?!\p{Nd})[\p{L}\p{N}_][\p{L}\p{N}_.-]*)=(?!=)([^\n]*)\n?$/u;
/** The key that marks a dict of published arguments as keyword arguments. */
const MARK = '__kwarg__';

/** Splits `name=value`; undefined for a word that is a value alone. The value keeps its text. */
export function parseKwarg(word: string): [name: string, value: string] | undefined {
  const m = KEYWORD.exec(word);
  return m ? [m[1] as string, m[2] as string] : undefined;
}

/**
 * Reads one word as Salt reads command-line arguments: YAML where that gives a number, a truth value, None or a bracketed list or
 * map, the word itself where YAML would lose something (a comment, a line break, `1_000`, an unbraced `a: b`).
 */
export function yamlify(word: string): Py {
  const bare = word.trim();
  if (bare === '' || bare === '---' || bare === '...') return word;
  if (word.includes('_') && /^[0-9_]+$/.test(bare)) return word;
  if (/[\t\r\n]/.test(word)) return word;
  if (word === 'None') return null;
  let v: Py;
  try {
    v = loadYaml(word);
  } catch (e) {
    if (e instanceof YamlError) return word;
    throw e;
  }
  // With a # in it, whatever is no text is taken as it is, bracketed or not.
  if (word.includes('#')) return typeof v === 'string' || v === null ? word : v;
  if (v instanceof PyDict) return word.startsWith('{') ? v : word;
  if (Array.isArray(v)) return word.startsWith('[') ? v : word;
  if (v === '' && (word === '|' || word === '!')) return word;
  if (v === null) return word === '!' ? word : v;
  return typeof v === 'object' && !(v instanceof PyFloat) ? word : v;
}

/** Whether a number has the length of a job id: such a one is published as text. */
function isJidNumber(v: Py): boolean {
  return (typeof v === 'number' || typeof v === 'bigint') && /^\d{20}$/.test(String(v));
}

/** Arguments and keyword arguments as a job carries them: the keyword arguments last, in one marked dict. */
export function publishedArgs(args: readonly Py[], kwargs: PyDict): Py[] {
  const out = args.map((a) => (isJidNumber(a) ? String(a) : a));
  if (kwargs.size) out.push(new PyDict<Py>([[MARK, true], ...kwargs]));
  return out;
}

/** Takes words (or values that are read already) apart into arguments and keyword arguments; `noParse` names keywords kept as text. */
export function splitArgs(words: readonly Py[], noParse: readonly string[] = []): { args: Py[]; kwargs: PyDict } {
  const args: Py[] = [];
  const kwargs = new PyDict();
  for (const word of words)
    if (typeof word === 'string') {
      const pair = parseKwarg(word);
      if (pair) kwargs.set(pair[0], noParse.includes(pair[0]) ? pair[1] : yamlify(pair[1]));
      else args.push(yamlify(word));
    } else if (word instanceof PyDict && word.has(MARK)) {
      const rest = new PyDict(word);
      rest.delete(MARK);
      if (word.get(MARK) === true) for (const [k, v] of rest) kwargs.set(k, v);
      else args.push(rest);
    } else args.push(word);
  return { args, kwargs };
}

/** Command-line words to the argument list of a published job. */
export function parseArgs(words: readonly Py[], noParse: readonly string[] = []): Py[] {
  const { args, kwargs } = splitArgs(words, noParse);
  return publishedArgs(args, kwargs);
}

/**
 * The words of a compound command (`fun1,fun2`): each function's own ones. Separators stand alone, or, where there are not
 * functions - 1 of those, inside the words. Throws SaltError SaltInvocationError (exit code 42) when they do not come out even.
 */
export function splitCompound(words: readonly string[], functions: number, separator = ','): string[][] {
  const out: string[][] = [[]];
  const alone = words.filter((w) => w === separator).length === functions - 1;
  for (const word of words) {
    if (alone ? word !== separator : !word.includes(separator)) {
      out.at(-1)?.push(word);
      continue;
    }
    for (const [i, part] of (alone ? ['', ''] : word.split(separator)).entries()) {
      if (i) out.push([]);
      if (part) out.at(-1)?.push(part);
    }
  }
  const refuse = (message: string): never => {
    throw new SaltError('SaltInvocationError', message, { exit: 42 });
  };
  if (out.length < functions) refuse('Cannot execute compound command without defining all arguments.');
  if (out.length > functions) refuse('Cannot execute compound command with more arguments than commands.');
  return out;
}
