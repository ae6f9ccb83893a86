/** Template text to tokens, as Jinja 3.1 cuts it: delimiters by option, whitespace control, raw blocks, line statements. */
import nunjucks, { type Token, type Tokenizer } from 'nunjucks';
import { SaltError } from '../../../bus/errors.ts';
import { mkFloat, normInt, type Py, strRepr, textLength } from '../../values.ts';

/** The options of a template that change how its text is cut: Jinja's names in camel case. */
export interface LexerOptions {
  blockStart: string;
  blockEnd: string;
  variableStart: string;
  variableEnd: string;
  commentStart: string;
  commentEnd: string;
  lineStatementPrefix: string | null;
  lineCommentPrefix: string | null;
  trimBlocks: boolean;
  lstripBlocks: boolean;
  newlineSequence: string;
  keepTrailingNewline: boolean;
}

/** Jinja's defaults. */
export const LEXER_DEFAULTS: LexerOptions = {
  blockStart: '{%',
  blockEnd: '%}',
  variableStart: '{{',
  variableEnd: '}}',
  commentStart: '{#',
  commentEnd: '#}',
  lineStatementPrefix: null,
  lineCommentPrefix: null,
  trimBlocks: false,
  lstripBlocks: false,
  newlineSequence: '\n',
  keepTrailingNewline: false,
};

/** A token; `type` is Jinja's name for it and `lineno` counts from 1. */
export interface JToken extends Token {
  type: string;
  value: string | Py;
}

const OPERATORS: ReadonlyMap<string, string> = new Map([
  ['+', 'add'],
  ['-', 'sub'],
  ['/', 'div'],
  ['//', 'floordiv'],
  ['*', 'mul'],
  ['%', 'mod'],
  ['**', 'pow'],
  ['~', 'tilde'],
  ['[', 'lbracket'],
  [']', 'rbracket'],
  ['(', 'lparen'],
  [')', 'rparen'],
  ['{', 'lbrace'],
  ['}', 'rbrace'],
  ['==', 'eq'],
  ['!=', 'ne'],
  ['>', 'gt'],
  ['>=', 'gteq'],
  ['<', 'lt'],
  ['<=', 'lteq'],
  ['=', 'assign'],
  ['.', 'dot'],
  [':', 'colon'],
  ['|', 'pipe'],
  [',', 'comma'],
  [';', 'semicolon'],
]);
const OPERATOR_TEXT = new Map([...OPERATORS].map(([text, type]) => [type, text]));
const DESCRIBED: ReadonlyMap<string, string> = new Map([
  ['block_begin', 'begin of statement block'],
  ['block_end', 'end of statement block'],
  ['variable_begin', 'begin of print statement'],
  ['variable_end', 'end of print statement'],
  ['data', 'template data / text'],
  ['eof', 'end of template'],
]);

/** How error texts name a kind of token. */
export function describeType(type: string): string {
  return OPERATOR_TEXT.get(type) ?? DESCRIBED.get(type) ?? type;
}
/** How error texts name a token: a name by itself. */
export function describeToken(t: JToken): string {
  return t.type === 'name' ? String(t.value) : describeType(t.type);
}
/** How error texts name what was expected (`name:endif` or a type). */
export function describeExpr(expr: string): string {
  return expr.startsWith('name:') ? expr.slice(5) : describeType(expr);
}

/** Python's white space (JavaScript's `\s` differs in a few characters). */
export const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const SPACES = new RegExp(`${SPACE}+`, 'y');
const TRAILING = new RegExp(`${SPACE}+$`);
const ALL_SPACE = new RegExp(`^${SPACE}+$`);
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const NAME = /[\p{L}\p{N}_]+/uy;
const IDENTIFIER = /^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Nd}_]*$/u;
const STRING = /'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*"/y;
const OPERATOR = /\*\*|\/\/|[=!<>]=|[-+/*%~[\](){}><=.:|,;]/y;
const CLOSER: ReadonlyMap<string, string> = new Map([
  ['{', '}'],
  ['(', ')'],
  ['[', ']'],
]);

const quote = (s: string): string => s.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
function at(re: RegExp, text: string, pos: number): string | undefined {
  re.lastIndex = pos;
  return re.exec(text)?.[0];
}
function newlines(text: string): number {
  let n = 0;
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) n++;
  return n;
}
/** A syntax error of a template; `line` counts from 1. */
export function syntaxError(message: string, line: number): SaltError {
  return new SaltError('TemplateSyntaxError', message, { line });
}

interface Rules {
  root: RegExp;
  blockEnd: RegExp;
  variableEnd: RegExp;
  commentEnd: RegExp;
  rawEnd: RegExp;
}
const rulesCache = new Map<string, Rules>();

function rulesFor(o: LexerOptions): Rules {
  const key = JSON.stringify(o);
  const known = rulesCache.get(key);
  if (known) return known;
  const suffix = o.trimBlocks ? '\\n?' : '';
  const bs = quote(o.blockStart);
  const be = quote(o.blockEnd);
  const ve = quote(o.variableEnd);
  const ce = quote(o.commentEnd);
  const starts: [number, string, string][] = [
    [o.commentStart.length, 'comment', quote(o.commentStart)],
    [o.blockStart.length, 'block', bs],
    [o.variableStart.length, 'variable', quote(o.variableStart)],
  ];
  if (o.lineStatementPrefix)
    starts.push([
      o.lineStatementPrefix.length,
      'linestatement',
      `(?<![^\\n])[ \\t\\v]*${quote(o.lineStatementPrefix)}`,
    ]);
  if (o.lineCommentPrefix)
    starts.push([
      o.lineCommentPrefix.length,
      'linecomment',
      `(?:(?<![^\\n])|(?<=\\S))[^\\S\\r\\n]*${quote(o.lineCommentPrefix)}`,
    ]);
  starts.sort((a, b) => b[0] - a[0] || (a[1] < b[1] ? 1 : -1));
  const raw = `(?<raw>${bs}(?<rawsign>[-+]?)${SPACE}*raw${SPACE}*(?:-${be}${SPACE}*|${be}))`;
  const made: Rules = {
    root: new RegExp([raw, ...starts.map(([, n, r]) => `(?<${n}>${r}(?<${n}sign>[-+]?))`)].join('|'), 'g'),
    blockEnd: new RegExp(`\\+${be}|-${be}${SPACE}*|${be}${suffix}`, 'y'),
    variableEnd: new RegExp(`-${ve}${SPACE}*|${ve}`, 'y'),
    commentEnd: new RegExp(`\\+${ce}|-${ce}${SPACE}*|${ce}${suffix}`, 'g'),
    rawEnd: new RegExp(`${bs}(?<sign>[-+]?)${SPACE}*endraw${SPACE}*(?:\\+${be}|-${be}${SPACE}*|${be}${suffix})`, 'g'),
  };
  rulesCache.set(key, made);
  return made;
}

const KINDS = ['raw', 'comment', 'block', 'variable', 'linestatement', 'linecomment'] as const;
const LINE_END = new RegExp(`(?:${SPACE}*\\n|${SPACE}*$)`, 'y');

const Base = nunjucks.lexer.lex('').constructor as typeof Tokenizer;

/**
 * Cuts a whole template at once. An error of the text becomes a token of type `error`, so that a complaint of the parser about
 * something before it comes first, as it does with Jinja.
 */
export class JinjaTokenizer extends Base {
  private readonly list: JToken[] = [];
  private next = 0;
  private lineNow = 1;
  private readonly o: LexerOptions;
  private readonly src: string;

  constructor(source: string, options: LexerOptions = LEXER_DEFAULTS) {
    super('');
    this.o = options;
    const text = source.includes('\r') ? source.replace(/\r\n?/g, '\n') : source;
    this.src = !options.keepTrailingNewline && text.endsWith('\n') ? text.slice(0, -1) : text;
    try {
      this.scan();
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      this.list.push({ type: 'error', value: e, lineno: this.lineNow, colno: 0 });
    }
    this.push('eof', '');
  }

  override nextToken(): JToken {
    const t = this.list[this.next] as JToken;
    if (t.type === 'error') throw t.value;
    if (this.next < this.list.length - 1) this.next++;
    return t;
  }

  /** The token `n` places behind the next one, without taking it; errors do not surface. */
  look(n: number): JToken {
    return this.list[Math.min(this.next + n, this.list.length - 1)] as JToken;
  }

  private push(type: string, value: string | Py): void {
    this.list.push({ type, value, lineno: this.lineNow, colno: 0 });
  }
  private data(text: string): void {
    if (text) {
      const nl = this.o.newlineSequence;
      this.push('data', nl === '\n' ? text : text.replaceAll('\n', nl));
    }
  }

  private scan(): void {
    const { src, o } = this;
    const rules = rulesFor(o);
    let pos = 0;
    let lineStarting = true;
    const strip = (text: string, sign: string, lstrip: boolean): string => {
      if (sign === '-') return text.replace(TRAILING, '');
      if (sign !== '+' && o.lstripBlocks && lstrip) {
        const from = text.lastIndexOf('\n') + 1;
        if ((from > 0 || lineStarting) && ALL_SPACE.test(text.slice(from))) return text.slice(0, from);
      }
      return text;
    };
    while (pos < src.length) {
      rules.root.lastIndex = pos;
      const m = rules.root.exec(src);
      const groups = m?.groups;
      if (!m || !groups) {
        this.data(src.slice(pos));
        this.lineNow += newlines(src.slice(pos));
        return;
      }
      const kind = KINDS.find((k) => groups[k] !== undefined) as (typeof KINDS)[number];
      const text = src.slice(pos, m.index);
      this.data(strip(text, groups[`${kind}sign`] ?? '', kind !== 'variable'));
      this.lineNow += newlines(text);
      pos = m.index + m[0].length;
      if (kind === 'raw') {
        this.lineNow += newlines(m[0]);
        lineStarting = m[0].endsWith('\n');
        rules.rawEnd.lastIndex = pos;
        const end = rules.rawEnd.exec(src);
        if (!end) throw syntaxError('Missing end of raw directive', this.lineNow);
        const body = src.slice(pos, end.index);
        this.data(strip(body, end.groups?.['sign'] ?? '', true));
        this.lineNow += newlines(body) + newlines(end[0]);
        pos = end.index + end[0].length;
        lineStarting = end[0].endsWith('\n');
      } else if (kind === 'comment') {
        rules.commentEnd.lastIndex = pos;
        const end = rules.commentEnd.exec(src);
        if (!end) throw syntaxError('Missing end of comment tag', this.lineNow);
        this.lineNow += newlines(src.slice(pos, end.index)) + newlines(end[0]);
        pos = end.index + end[0].length;
        lineStarting = end[0].endsWith('\n');
      } else if (kind === 'linecomment') {
        const end = src.indexOf('\n', pos);
        pos = end < 0 ? src.length : end;
        lineStarting = false;
      } else {
        this.lineNow += newlines(m[0]);
        this.push(kind === 'variable' ? 'variable_begin' : 'block_begin', m[0]);
        const end = kind === 'variable' ? rules.variableEnd : kind === 'block' ? rules.blockEnd : LINE_END;
        pos = this.code(pos, end, kind === 'variable' ? 'variable_end' : 'block_end');
        lineStarting = src[pos - 1] === '\n';
      }
    }
  }

  /** Cuts an expression up to its end delimiter; inside brackets the delimiter is read as operators. Answers where text goes on. */
  private code(start: number, end: RegExp, endType: string): number {
    const { src } = this;
    const open: string[] = [];
    let pos = start;
    for (;;) {
      if (!open.length) {
        const done = at(end, src, pos);
        if (done !== undefined) {
          this.push(endType, done);
          this.lineNow += newlines(done);
          return pos + done.length;
        }
      }
      if (pos >= src.length) return pos;
      const space = at(SPACES, src, pos);
      if (space) {
        this.lineNow += newlines(space);
        pos += space.length;
        continue;
      }
      const taken = this.word(pos, open);
      this.lineNow += newlines(taken);
      pos += taken.length;
    }
  }

  private word(pos: number, open: string[]): string {
    const { src } = this;
    const float = at(FLOAT, src, pos);
    if (float) {
      this.push('float', mkFloat(Number(float.replaceAll('_', ''))));
      return float;
    }
    const int = at(INTEGER, src, pos);
    if (int) {
      this.push('integer', normInt(BigInt(int.replaceAll('_', ''))));
      return int;
    }
    const name = at(NAME, src, pos);
    if (name) {
      if (!IDENTIFIER.test(name)) throw syntaxError('Invalid character in identifier', this.lineNow);
      this.push('name', name);
      return name;
    }
    const string = at(STRING, src, pos);
    if (string) {
      const body = string.slice(1, -1);
      const nl = this.o.newlineSequence;
      this.push('string', this.unescape(nl === '\n' ? body : body.replaceAll('\n', nl)));
      return string;
    }
    const op = at(OPERATOR, src, pos);
    if (!op) {
      const ch = String.fromCodePoint(src.codePointAt(pos) as number);
      throw syntaxError(`unexpected char ${strRepr(ch)} at ${textLength(src.slice(0, pos))}`, this.lineNow);
    }
    const closer = CLOSER.get(op);
    if (closer) open.push(closer);
    else if (op === '}' || op === ')' || op === ']') {
      const expected = open.pop();
      if (expected === undefined) throw syntaxError(`unexpected '${op}'`, this.lineNow);
      if (expected !== op) throw syntaxError(`unexpected '${op}', expected '${expected}'`, this.lineNow);
    }
    this.push(OPERATORS.get(op) as string, op);
    return op;
  }

  private unescape(text: string): string {
    if (!text.includes('\\')) return text;
    return text.replace(
      /\\(?:([0-7]{1,3})|x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|(N\{[^}]*\})|([\s\S]))/gi,
      (all, oct?: string, x?: string, u?: string, big?: string, _named?: string, one?: string) => {
        if (oct !== undefined) return String.fromCodePoint(Number.parseInt(oct, 8));
        const hex =
          x !== undefined && all[1] === 'x'
            ? x
            : u !== undefined && all[1] === 'u'
              ? u
              : big !== undefined && all[1] === 'U'
                ? big
                : undefined;
        if (hex !== undefined) {
          const cp = Number.parseInt(hex, 16);
          if (cp > 0x10ffff) throw syntaxError('illegal Unicode character', this.lineNow);
          return String.fromCodePoint(cp);
        }
        return this.simpleEscape(all, one);
      },
    );
  }
  private simpleEscape(all: string, one: string | undefined): string {
    const truncated: Record<string, string> = {
      x: 'truncated \\xXX escape',
      u: 'truncated \\uXXXX escape',
      U: 'truncated \\UXXXXXXXX escape',
      N: all.length > 2 ? 'unknown Unicode character name' : 'malformed \\N character escape',
    };
    const c = one ?? (all[1] as string);
    if (truncated[c] !== undefined) throw syntaxError(truncated[c], this.lineNow);
    const known: Record<string, string> = {
      '\n': '',
      '\\': '\\',
      "'": "'",
      '"': '"',
      a: '\x07',
      b: '\b',
      f: '\f',
      n: '\n',
      r: '\r',
      t: '\t',
      v: '\v',
    };
    return known[c] ?? all;
  }
}
