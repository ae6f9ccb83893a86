/** Errors of a render: where in the templates they arose, and Salt's texts for them. */
import { SaltError } from '../../../bus/errors.ts';

/** One place that an error passed on its way out, innermost first. */
export interface Place {
  /** Template name; null for the top template. */
  readonly name: string | null;
  /** File of the template; null for the top template. */
  readonly path: string | null;
  readonly line: number;
}

const places = new WeakMap<object, Place[]>();

/** Turns anything thrown inside a template into a SaltError and notes the place it passed. */
export function passed(e: unknown, place: Place | null): SaltError {
  const error = asSaltError(e);
  if (place) {
    const list = places.get(error);
    if (list) list.push(place);
    else places.set(error, [place]);
  }
  return error;
}
/** The places an error passed, innermost first. */
export function trailOf(e: object): readonly Place[] {
  return places.get(e) ?? [];
}

/** Host errors that a template can cause become the Python error of the same cause; bugs of ours stay plain errors. */
function asSaltError(e: unknown): SaltError {
  if (e instanceof SaltError) return e;
  // A full stack surfaces in odd classes too (a pattern that could not be compiled for want of it), always with this text.
  if (e instanceof Error && e.message.includes('Maximum call stack'))
    return new SaltError('RecursionError', 'maximum recursion depth exceeded');
  if (e instanceof RangeError) {
    if (/string length|array length|count value|BigInt|too big/i.test(e.message))
      return new SaltError('MemoryError', e.message);
  }
  throw e;
}

/** Lines around one line of a text with a mark on it, as every Salt error shows them. */
export function contextBlock(text: string, line: number, mark = '    <======================'): string {
  const lines = text.split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/);
  if (lines.at(-1) === '') lines.pop();
  if (line > lines.length) return text;
  const from = Math.max(0, line - 6);
  const to = Math.min(lines.length, line + 5);
  const shown = lines.slice(from, to);
  shown[line - from - 1] += mark;
  return `---\n${from > 0 ? '[...]\n' : ''}${shown.join('\n')}${to < lines.length ? '\n[...]' : ''}\n---`;
}

const SYNTAX: ReadonlySet<string> = new Set([
  'TemplateSyntaxError',
  'TemplateRuntimeError',
  'SecurityError',
  'FilterArgumentError',
]);
const HOST: ReadonlySet<string> = new Set(['SaltInvocationError', 'CommandExecutionError']);

/**
 * The SaltRenderError for an error that left a render: Salt's prefix, the line with its surroundings, and for an error in another
 * file that file's. Details: `file`, `line`, `chain` (places, outermost first) and `kind` (the Python class).
 */
export function renderError(
  e: SaltError,
  source: string,
  of: { path: string; sls: string; read(path: string): string | undefined },
): SaltError {
  const own = e.details['line'];
  const trail =
    e.code === 'TemplateSyntaxError' && typeof own === 'number' && !e.details['placed']
      ? [{ name: null, path: (e.details['file'] as string | undefined) ?? null, line: own }, ...trailOf(e)]
      : trailOf(e);
  const inner = trail[0];
  const prefix =
    e.code === 'UndefinedError'
      ? 'Jinja variable '
      : SYNTAX.has(e.code)
        ? 'Jinja syntax error: '
        : HOST.has(e.code)
          ? 'Problem running salt function in Jinja template: '
          : 'Jinja error: ';
  const generic = prefix === 'Jinja error: ';
  let message = prefix + e.message;
  let line = inner?.line ?? 0;
  const path = inner?.path ?? null;
  const fileText = path === null ? undefined : of.read(path);
  if (path !== null && fileText !== undefined && !path.endsWith(of.sls.replaceAll('.', '/'))) {
    message += `\n${path}(${line}):\n${contextBlock(fileText, line)}`;
    line = 0;
  }
  const chain = [...trail].reverse().map((p) => ({ file: p.path ?? of.path, line: p.line }));
  const trace = generic ? traceText(e, chain) : '';
  if (generic) message += `\n${trace}\n`;
  // The surroundings of an unexpected error go on with its traceback, as the reference shows them.
  if (line) message += `; line ${line}\n\n${contextBlock(generic ? `${source}\n${trace}` : source, line)}`;
  return new SaltError(
    'SaltRenderError',
    message,
    { file: path ?? of.path, line: inner?.line ?? 0, chain, kind: e.code },
    { cause: e },
  );
}
/** Full class names of errors that are no built-ins of Python. */
const CLASSES: ReadonlyMap<string, string> = new Map([
  ['TemplateNotFound', 'jinja2.exceptions.TemplateNotFound'],
  ['TemplateError', 'jinja2.exceptions.TemplateError'],
  ...['SaltException', 'SaltRenderError', 'CommandNotFoundError', 'SaltClientError', 'SaltReqTimeoutError'].map(
    (name) => [name, `salt.exceptions.${name}`] as const,
  ),
]);

/** Places in the templates, outermost first, then those of this program where the error arose. */
function traceText(e: SaltError, chain: { file: string; line: number }[]): string {
  const frames = chain.map((p, i) =>
    i
      ? `  File "${p.file}", line ${p.line}, in template`
      : `  File "<template>", line ${p.line}, in top-level template code`,
  );
  const own = (e.stack ?? '').split('\n').flatMap((line) => {
    const m = /^\s+at (?:(.*?) \()?(?:file:\/\/)?([^()]*?):(\d+):\d+\)?$/.exec(line);
    return m && !m[2]?.startsWith('node:') ? [`  File "${m[2]}", line ${m[3]}, in ${m[1] ?? '<module>'}`] : [];
  });
  const last = `${CLASSES.get(e.code) ?? e.code}: ${e.message}`;
  return `${['Traceback (most recent call last):', ...frames, ...own.reverse(), last].join('\n')}\n`;
}
