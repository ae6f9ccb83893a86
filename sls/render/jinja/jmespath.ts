/** JMESPath over template data, for the `json_query` filter. */
import { SaltError } from '../../../bus/errors.ts';
import { dumpJson, parseJson } from '../../json.ts';
import {
  compare,
  contains,
  eq,
  isList,
  isStr,
  length,
  mkFloat,
  numberOf,
  order,
  type Py,
  PyDict,
  PyTuple,
  parseFloatText,
  parseIntText,
  str,
  strOf,
  typeName,
} from '../../values.ts';
import { add, div, sliceIndices } from './ops.ts';

type Node =
  | { k: 'current' | 'identity' }
  | { k: 'field'; name: string }
  | { k: 'literal'; value: Py }
  | { k: 'index'; at: number }
  | { k: 'slice'; parts: Py[] }
  | { k: 'sub' | 'pipe' | 'or' | 'and'; left: Node; right: Node }
  | { k: 'compare'; op: string; left: Node; right: Node }
  | { k: 'not' | 'flatten' | 'values'; of: Node }
  | { k: 'project' | 'valueProject'; of: Node; each: Node }
  | { k: 'filter'; of: Node; test: Node; each: Node }
  | { k: 'list'; items: Node[] }
  | { k: 'hash'; items: [string, Node][] }
  | { k: 'call'; name: string; args: Node[] }
  | { k: 'ref'; of: Node };

interface Token {
  t: string;
  v: Py;
  at: number;
}
function fail(message: string): never {
  throw new SaltError('ValueError', message);
}

const LEX =
  /\s+|(?<id>[A-Za-z_]\w*)|(?<num>-?\d+)|"(?<quoted>(?:[^"\\]|\\.)*)"|'(?<raw>(?:[^'\\]|\\.)*)'|`(?<lit>(?:[^`\\]|\\.)*)`|(?<op>\[\?|\[\]|&&|\|\||==|!=|<=|>=|[-.*@&|()[\]{},:<>!?])/gy;
function lex(text: string): Token[] {
  const out: Token[] = [];
  LEX.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    LEX.lastIndex = at;
    const m = LEX.exec(text);
    if (!m) return fail(`Bad jmespath expression: Unknown token ${text[at]}:\n${text}\n${' '.repeat(at)}^`);
    const g = m.groups as Record<string, string | undefined>;
    if (g['id'] !== undefined) out.push({ t: 'id', v: g['id'], at });
    else if (g['num'] !== undefined) out.push({ t: 'num', v: Number(g['num']), at });
    else if (g['quoted'] !== undefined) out.push({ t: 'quoted', v: parseJson(`"${g['quoted']}"`), at });
    else if (g['raw'] !== undefined) out.push({ t: 'lit', v: g['raw'].replace(/\\'/g, "'"), at });
    else if (g['lit'] !== undefined) out.push({ t: 'lit', v: literal(g['lit'].replaceAll('\\`', '`')), at });
    else if (g['op'] !== undefined) out.push({ t: g['op'], v: g['op'], at });
    at += m[0].length;
  }
  out.push({ t: 'end', v: '', at });
  return out;
}
function literal(text: string): Py {
  try {
    return parseJson(text.trim());
  } catch (e) {
    if (e instanceof SaltError) return text.trimStart();
    throw e;
  }
}

const POWER: Record<string, number> = {
  '|': 1,
  '||': 2,
  '&&': 3,
  '==': 5,
  '!=': 5,
  '<': 5,
  '<=': 5,
  '>': 5,
  '>=': 5,
  '[]': 9,
  '*': 20,
  '[?': 21,
  '.': 40,
  '!': 45,
  '{': 50,
  '[': 55,
  '(': 60,
};
const PROJECTION_STOP = 10;

class Parser {
  private at = 0;
  private readonly tokens: Token[];
  constructor(private readonly text: string) {
    this.tokens = lex(text);
  }
  parse(): Node {
    const n = this.expression(0);
    if (this.now.t !== 'end') this.bad();
    return n;
  }
  private get now(): Token {
    return this.tokens[this.at] as Token;
  }
  private look(n: number): string {
    return this.tokens[this.at + n]?.t ?? 'end';
  }
  private take(): Token {
    return this.tokens[this.at++] as Token;
  }
  private want(t: string): void {
    if (this.now.t !== t) this.bad();
    this.at++;
  }
  private bad(): never {
    const { at, v, t } = this.now;
    return fail(
      t === 'end'
        ? `Invalid jmespath expression: Incomplete expression:\n"${this.text}"\n${' '.repeat(this.text.length + 1)}^`
        : `Invalid token: Parse error at column ${at}, token "${str(v)}" (${t}), for expression:\n"${this.text}"\n${' '.repeat(at + 1)}^`,
    );
  }
  private expression(power: number): Node {
    let left = this.prefix();
    while (power < (POWER[this.now.t] ?? 0)) left = this.infix(left);
    return left;
  }
  private prefix(): Node {
    const t = this.take();
    switch (t.t) {
      case 'lit':
        return { k: 'literal', value: t.v };
      case 'id':
        if (this.now.t === '(') return this.call(str(t.v));
        return { k: 'field', name: str(t.v) };
      case 'quoted':
        return { k: 'field', name: str(t.v) };
      case '@':
        return { k: 'current' };
      case '*':
        return {
          k: 'valueProject',
          of: { k: 'identity' },
          each: this.now.t === ']' ? { k: 'identity' } : this.projection(20),
        };
      case '[?':
        return this.filter({ k: 'identity' });
      case '[]':
        return { k: 'project', of: { k: 'flatten', of: { k: 'identity' } }, each: this.projection(9) };
      case '[':
        if (this.now.t === 'num' || this.now.t === ':') return this.index({ k: 'identity' });
        if (this.now.t === '*' && this.look(1) === ']') {
          this.at += 2;
          return { k: 'project', of: { k: 'identity' }, each: this.projection(20) };
        }
        return this.list();
      case '{':
        return this.hash();
      case '!':
        return { k: 'not', of: this.expression(45) };
      case '&':
        return { k: 'ref', of: this.expression(0) };
      case '(': {
        const n = this.expression(0);
        this.want(')');
        return n;
      }
    }
    this.at--;
    return this.bad();
  }
  private infix(left: Node): Node {
    const t = this.take();
    switch (t.t) {
      case '.':
        if (this.now.t === '*') {
          this.at++;
          return { k: 'valueProject', of: left, each: this.projection(20) };
        }
        return { k: 'sub', left, right: this.dotted(40) };
      case '|':
        return { k: 'pipe', left, right: this.expression(1) };
      case '||':
        return { k: 'or', left, right: this.expression(2) };
      case '&&':
        return { k: 'and', left, right: this.expression(3) };
      case '[?':
        return this.filter(left);
      case '[]':
        return { k: 'project', of: { k: 'flatten', of: left }, each: this.projection(9) };
      case '[':
        if (this.now.t === 'num' || this.now.t === ':') return this.index(left);
        this.want('*');
        this.want(']');
        return { k: 'project', of: left, each: this.projection(20) };
    }
    if (POWER[t.t] === 5) return { k: 'compare', op: t.t, left, right: this.expression(5) };
    this.at--;
    return this.bad();
  }
  private dotted(power: number): Node {
    const { t } = this.now;
    if (t === 'id' || t === 'quoted' || t === '*') return this.expression(power);
    if (t === '[') {
      this.at++;
      return this.list();
    }
    if (t === '{') {
      this.at++;
      return this.hash();
    }
    return this.bad();
  }
  private projection(power: number): Node {
    const { t } = this.now;
    if ((POWER[t] ?? 0) < PROJECTION_STOP) return { k: 'identity' };
    if (t === '[' || t === '[?') return this.expression(power);
    if (t === '.') {
      this.at++;
      return this.dotted(power);
    }
    return this.bad();
  }
  private filter(of: Node): Node {
    const test = this.expression(0);
    this.want(']');
    return { k: 'filter', of, test, each: this.now.t === '[]' ? { k: 'identity' } : this.projection(21) };
  }
  private index(of: Node): Node {
    if (this.now.t === 'num' && this.look(1) === ']') {
      const at = this.take().v as number;
      this.want(']');
      return { k: 'sub', left: of, right: { k: 'index', at } };
    }
    const parts: Py[] = [null, null, null];
    let i = 0;
    while (this.now.t !== ']' && i < 3) {
      const t = this.take();
      if (t.t === ':') i++;
      else if (t.t === 'num') parts[i] = t.v;
      else {
        this.at--;
        this.bad();
      }
    }
    this.want(']');
    return { k: 'project', of: { k: 'sub', left: of, right: { k: 'slice', parts } }, each: this.projection(20) };
  }
  private list(): Node {
    const items: Node[] = [];
    do items.push(this.expression(0));
    while (this.now.t === ',' && this.take());
    this.want(']');
    return { k: 'list', items };
  }
  private hash(): Node {
    const items: [string, Node][] = [];
    do {
      const key = this.take();
      if (key.t !== 'id' && key.t !== 'quoted') {
        this.at--;
        this.bad();
      }
      this.want(':');
      items.push([str(key.v), this.expression(0)]);
    } while (this.now.t === ',' && this.take());
    this.want('}');
    return { k: 'hash', items };
  }
  private call(name: string): Node {
    this.want('(');
    const args: Node[] = [];
    while (this.now.t !== ')') {
      args.push(this.expression(0));
      if (this.now.t === ',') this.at++;
      else if (this.now.t !== ')') this.bad();
    }
    this.want(')');
    return { k: 'call', name, args };
  }
}

/** A function argument that is an expression (`&name`). */
class Ref {
  constructor(readonly node: Node) {}
}
type Arg = Py | Ref;

const falsy = (v: Py): boolean =>
  v === null || v === false || v === '' || (Array.isArray(v) && !v.length) || (v instanceof PyDict && !v.size);
const isNumber = (v: Py): boolean => numberOf(v) !== undefined && typeof v !== 'boolean';

function run(n: Node, v: Py): Py {
  switch (n.k) {
    case 'current':
    case 'identity':
      return v;
    case 'field':
      return v instanceof PyDict ? (v.get(n.name) ?? null) : null;
    case 'literal':
      return n.value;
    case 'index':
      return isList(v) ? (v.at(n.at) ?? null) : null;
    case 'slice':
      return isList(v)
        ? sliceIndices(v.length, n.parts[0] as Py, n.parts[1] as Py, n.parts[2] as Py).map((i) => v[i] as Py)
        : null;
    case 'sub':
    case 'pipe':
      return run(n.right, run(n.left, v));
    case 'or': {
      const left = run(n.left, v);
      return falsy(left) ? run(n.right, v) : left;
    }
    case 'and': {
      const left = run(n.left, v);
      return falsy(left) ? left : run(n.right, v);
    }
    case 'not':
      return falsy(run(n.of, v));
    case 'compare': {
      const a = run(n.left, v);
      const b = run(n.right, v);
      if (n.op === '==') return same(a, b);
      if (n.op === '!=') return !same(a, b);
      if (!isNumber(a) || !isNumber(b)) return null;
      return order(n.op as '<', a, b);
    }
    case 'flatten': {
      const of = run(n.of, v);
      return isList(of) ? of.flatMap((x) => (isList(x) ? x : [x])) : null;
    }
    case 'values': {
      const of = run(n.of, v);
      return of instanceof PyDict ? [...of.values()] : null;
    }
    case 'project': {
      const of = run(n.of, v);
      return isList(of) ? of.map((x) => run(n.each, x)).filter((x) => x !== null) : null;
    }
    case 'valueProject': {
      const of = run(n.of, v);
      return of instanceof PyDict ? [...of.values()].map((x) => run(n.each, x)).filter((x) => x !== null) : null;
    }
    case 'filter': {
      const of = run(n.of, v);
      if (!isList(of)) return null;
      return of
        .filter((x) => !falsy(run(n.test, x)))
        .map((x) => run(n.each, x))
        .filter((x) => x !== null);
    }
    case 'list':
      return v === null ? null : n.items.map((i) => run(i, v));
    case 'hash': {
      if (v === null) return null;
      const d = new PyDict();
      for (const [k, x] of n.items) d.set(k, run(x, v));
      return d;
    }
    case 'ref':
      return null;
    case 'call':
      return callFunction(
        n.name,
        n.args.map((a) => (a.k === 'ref' ? new Ref(a.of) : run(a, v))),
      );
  }
}
function same(a: Py, b: Py): boolean {
  return (typeof a === 'boolean') === (typeof b === 'boolean') && eq(a, b);
}
function kindOf(v: Arg): string {
  if (v instanceof Ref) return 'expref';
  if (v === null) return 'null';
  if (typeof v === 'boolean') return 'boolean';
  if (isNumber(v)) return 'number';
  if (isStr(v)) return 'string';
  return Array.isArray(v) ? 'array' : v instanceof PyDict ? 'object' : typeName(v);
}

type Impl = (a: Arg[]) => Py;
const by = (ref: Arg, kinds: readonly string[], f: string): ((v: Py) => Py) => {
  return (v) => {
    const k = run((ref as Ref).node, v);
    if (!kinds.includes(kindOf(k)))
      return fail(
        `In function ${f}(), invalid type for value: ${str(k)}, expected one of: ${kinds.join(', ')}, received: "${kindOf(k)}"`,
      );
    return k;
  };
};
const extreme = (list: Py[], key: (v: Py) => Py, sign: 1 | -1): Py => {
  let best: Py | undefined;
  let bestKey: Py = null;
  for (const v of list) {
    const k = key(v);
    if (best === undefined || compare(k, bestKey) * sign > 0) {
      best = v;
      bestKey = k;
    }
  }
  return best ?? null;
};
const float =
  (f: (x: number) => number) =>
  (a: Arg[]): Py =>
    Number(f(numberOf(a[0] as Py) as number));
const ANY = ['array', 'object', 'string', 'number', 'boolean', 'null'];
const FUNCTIONS: ReadonlyMap<string, { types: readonly (readonly string[])[]; more?: true; run: Impl }> = new Map<
  string,
  { types: readonly (readonly string[])[]; more?: true; run: Impl }
>([
  [
    'abs',
    {
      types: [['number']],
      run: ([v]) =>
        typeof v === 'bigint'
          ? v < 0n
            ? -v
            : v
          : typeof v === 'number'
            ? Math.abs(v)
            : mkFloat(Math.abs(numberOf(v as Py) as number)),
    },
  ],
  [
    'avg',
    {
      types: [['array']],
      run: ([v]) =>
        (v as Py[]).length
          ? div(
              (v as Py[]).reduce((s, x) => add(s, x), 0),
              (v as Py[]).length,
            )
          : null,
    },
  ],
  ['ceil', { types: [['number']], run: float(Math.ceil) }],
  ['floor', { types: [['number']], run: float(Math.floor) }],
  ['contains', { types: [['array', 'string'], ANY], run: ([s, v]) => contains(s as Py, v as Py) }],
  ['ends_with', { types: [['string'], ['string']], run: ([s, v]) => str(s as Py).endsWith(str(v as Py)) }],
  ['starts_with', { types: [['string'], ['string']], run: ([s, v]) => str(s as Py).startsWith(str(v as Py)) }],
  ['join', { types: [['string'], ['array']], run: ([s, v]) => (v as Py[]).map((x) => str(x)).join(str(s as Py)) }],
  ['keys', { types: [['object']], run: ([v]) => [...(v as PyDict).keys()] }],
  ['values', { types: [['object']], run: ([v]) => [...(v as PyDict).values()] }],
  ['length', { types: [['array', 'object', 'string']], run: ([v]) => length(v as Py) }],
  ['map', { types: [['expref'], ['array']], run: ([f, v]) => (v as Py[]).map((x) => run((f as Ref).node, x)) }],
  ['max', { types: [['array']], run: ([v]) => extreme(v as Py[], (x) => x, 1) }],
  ['min', { types: [['array']], run: ([v]) => extreme(v as Py[], (x) => x, -1) }],
  [
    'max_by',
    {
      types: [['array'], ['expref']],
      run: ([v, f]) => extreme(v as Py[], by(f as Arg, ['number', 'string'], 'max_by'), 1),
    },
  ],
  [
    'min_by',
    {
      types: [['array'], ['expref']],
      run: ([v, f]) => extreme(v as Py[], by(f as Arg, ['number', 'string'], 'min_by'), -1),
    },
  ],
  [
    'merge',
    {
      types: [['object']],
      more: true,
      run: (all) => {
        const d = new PyDict();
        for (const o of all) for (const [k, v] of o as PyDict) d.set(k, v);
        return d;
      },
    },
  ],
  ['not_null', { types: [ANY], more: true, run: (all) => (all.find((v) => v !== null) as Py | undefined) ?? null }],
  [
    'reverse',
    {
      types: [['array', 'string']],
      run: ([v]) => (isStr(v as Py) ? [...str(v as Py)].reverse().join('') : [...(v as Py[])].reverse()),
    },
  ],
  ['sort', { types: [['array']], run: ([v]) => [...(v as Py[])].sort(compare) }],
  [
    'sort_by',
    {
      types: [['array'], ['expref']],
      run: ([v, f]) => {
        const key = by(f as Arg, ['number', 'string'], 'sort_by');
        return (v as Py[])
          .map((x) => ({ x, k: key(x) }))
          .sort((a, b) => compare(a.k, b.k))
          .map((e) => e.x);
      },
    },
  ],
  ['sum', { types: [['array']], run: ([v]) => (v as Py[]).reduce((s, x) => add(s, x), 0) }],
  ['to_array', { types: [ANY], run: ([v]) => (isList(v as Py) ? (v as Py) : [v as Py]) }],
  [
    'to_number',
    {
      types: [ANY],
      run: ([v]) => {
        const t = strOf(v as Py);
        if (t === undefined) return isNumber(v as Py) ? (v as Py) : null;
        const f = parseFloatText(t);
        return parseIntText(t) ?? (f === undefined ? null : mkFloat(f));
      },
    },
  ],
  [
    'to_string',
    { types: [ANY], run: ([v]) => (isStr(v as Py) ? (v as Py) : dumpJson(v as Py, { separators: [',', ':'] })) },
  ],
  ['type', { types: [ANY], run: ([v]) => kindOf(v as Arg) }],
]);
function callFunction(name: string, args: Arg[]): Py {
  const f = FUNCTIONS.get(name);
  if (!f) return fail(`Unknown function: ${name}()`);
  const want = f.types.length;
  if (f.more ? args.length < want : args.length !== want)
    return fail(
      `Expected ${f.more ? 'at least ' : ''}${want} argument${want === 1 ? '' : 's'} for function ${name}(), received ${args.length}`,
    );
  args.forEach((a, i) => {
    const kinds = f.types[Math.min(i, want - 1)] as readonly string[];
    if (!kinds.includes(kindOf(a)))
      fail(
        `In function ${name}(), invalid type for value: ${a instanceof Ref ? 'expref' : str(a)}, expected one of: [${kinds.map((k) => `'${k}'`).join(', ')}], received: "${kindOf(a)}"`,
      );
  });
  return f.run(args);
}

/** The answer of a JMESPath expression on data. Throws SaltError ValueError for an expression that cannot be read. */
export function searchJson(expression: string, data: Py): Py {
  const plain = data instanceof PyTuple ? [...data] : data;
  return run(new Parser(expression).parse(), plain as Py);
}
