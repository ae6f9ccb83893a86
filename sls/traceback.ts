import { SaltError } from '../bus/errors.ts';

const BUILTIN = /^(TypeError|ValueError|KeyError|[A-Z]\w*(Error|Exception|Exit|Interrupt|Iteration|Warning)?)$/;

/** Codes that are exceptions of Python itself. */
const PYTHONS_OWN: ReadonlySet<string> = new Set([
  ...['TypeError', 'ValueError', 'KeyError', 'LookupError', 'IndexError', 'AttributeError', 'ZeroDivisionError'],
  ...['OverflowError', 'RecursionError', 'RuntimeError', 'UnicodeError', 'MemoryError'],
]);

/** The class name Python would print for what was thrown: `salt.exceptions.CommandExecutionError`, `ValueError`, `Exception`. */
export function pythonName(e: unknown): string {
  if (e instanceof SaltError)
    return e.code === 'error' ? 're.error' : PYTHONS_OWN.has(e.code) ? e.code : `salt.exceptions.${e.code}`;
  if (e instanceof Error) return e.name === 'Error' || !BUILTIN.test(e.name) ? 'Exception' : e.name;
  return 'Exception';
}

/** One frame of a stack as Python writes it, or undefined for the engine's own. */
function frame(line: string): string | undefined {
  const m = /^\s+at (?:(.*?) \()?(?:file:\/\/)?(.*?):(\d+):\d+\)?$/.exec(line);
  if (!m || m[2]?.startsWith('node:')) return undefined;
  return `  File "${m[2]}", line ${m[3]}, in ${m[1] ?? '<module>'}`;
}

/** What was thrown as a Python traceback, outermost frame first, with a final line feed (`traceback.format_exc()`). */
export function traceback(e: unknown): string {
  const message = e instanceof Error ? e.message : String(e);
  const frames = e instanceof Error ? (e.stack ?? '').split('\n').flatMap((l) => frame(l) ?? []) : [];
  const last = message === '' ? pythonName(e) : `${pythonName(e)}: ${message}`;
  return `${['Traceback (most recent call last):', ...frames.reverse(), last].join('\n')}\n`;
}
