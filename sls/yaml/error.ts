import { SaltError } from '../../bus/errors.ts';

/** A place in a YAML text; all three count from 0 and in characters (code points). */
export interface Mark {
  readonly index: number;
  readonly line: number;
  readonly column: number;
}

/** The reference's class for a refusal; the last four are Python's own, thrown by a conversion. */
export type YamlErrorKind =
  | 'ReaderError'
  | 'ScannerError'
  | 'ParserError'
  | 'ComposerError'
  | 'ConstructorError'
  | 'Recursive'
  | 'ValueError'
  | 'KeyError'
  | 'IndexError'
  | 'AttributeError';

/** The parts of a {@link YamlError}. */
export interface YamlProblem {
  readonly kind: YamlErrorKind;
  readonly problem: string;
  readonly mark?: Mark | undefined;
  readonly context?: string | undefined;
  readonly contextMark?: Mark | undefined;
  /** Where a ReaderError stands, in bytes of UTF-8. */
  readonly offset?: number;
}

/** What a text is called that comes from no file. */
export const UNNAMED = '<unicode string>';

const place = (name: string, m: Mark): string => `  in "${name}", line ${m.line + 1}, column ${m.column + 1}`;

function text(p: YamlProblem, name: string): string {
  if (p.kind === 'ReaderError') return `${p.problem}\n  in "${name}", position ${p.offset ?? 0}`;
  const lines: string[] = [];
  if (p.context !== undefined) lines.push(p.context);
  const c = p.contextMark;
  if (c && !(p.mark && c.line === p.mark.line && c.column === p.mark.column)) lines.push(place(name, c));
  lines.push(p.problem);
  if (p.mark) lines.push(place(name, p.mark));
  return lines.join('\n');
}

/**
 * A YAML text that cannot be read. `message` is the reference's whole text, over several lines; `name` is the reference's class.
 * `details` holds `file` (of a text from a file) and, from 1, `line` and `column` where they are known.
 */
export class YamlError extends SaltError {
  readonly kind: YamlErrorKind;
  readonly problem: string;
  readonly mark: Mark | undefined;
  readonly context: string | undefined;
  readonly contextMark: Mark | undefined;

  constructor(p: YamlProblem, name = UNNAMED) {
    super('YAMLError', text(p, name), {
      ...(name === UNNAMED ? {} : { file: name }),
      ...(p.mark ? { line: p.mark.line + 1, column: p.mark.column + 1 } : {}),
    });
    this.name = p.kind;
    this.kind = p.kind;
    this.problem = p.problem;
    this.mark = p.mark;
    this.context = p.context;
    this.contextMark = p.contextMark;
  }
}
