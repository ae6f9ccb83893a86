/** Names that every template sees: Jinja's and Salt's. */
import { randomInt } from 'node:crypto';
import { SaltError } from '../../../bus/errors.ts';
import { hashable, iterate, Markup, type Py, PyDict, PyObject, PyRange, repr, str, Undefined } from '../../values.ts';
import { PyFunction } from './call.ts';
import { escapeText } from './escape.ts';
import { dictOf, indexOf, typeError } from './ops.ts';
import { ContextFunction, Cycler, Joiner, Namespace } from './runtime.ts';

/** Longest range the sandbox allows. */
export const MAX_RANGE = 100_000;

function makeRange(args: Py[]): Py {
  const given = args[0] as Py[];
  const n = given.length;
  if (n < 1) return typeError('range expected at least 1 argument, got 0');
  if (n > 3) return typeError(`range expected at most 3 arguments, got ${n}`);
  const [a, b, c] = given.map(indexOf);
  const step = c ?? 1;
  if (step === 0) throw new SaltError('ValueError', 'range() arg 3 must not be zero');
  const r = b === undefined ? new PyRange(0, a as number, 1) : new PyRange(a as number, b, step);
  if (r.length > MAX_RANGE)
    throw new SaltError(
      'OverflowError',
      `Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`,
    );
  return r;
}
function makeDict(args: Py[]): Py {
  const [given, kwargs] = args as [Py[], PyDict];
  if (given.length > 1) return typeError(`dict expected at most 1 argument, got ${given.length}`);
  const d = new PyDict();
  if (given[0] !== undefined) {
    if (given[0] instanceof Undefined) given[0].fail();
    dictOf(given[0], d);
  }
  return dictOf(kwargs, d);
}
const FROM_KEYS = new Map<string, Py>([
  [
    'fromkeys',
    new PyFunction('fromkeys(iterable, value=None)', ([keys, value]) => {
      const d = new PyDict();
      for (const k of iterate(keys as Py)) d.set(hashable(k), value as Py);
      return d;
    }),
  ],
]);

/** Salt's simple_types_filter: what is no plain data becomes its repr. */
export function simpleTypes(v: Py): Py {
  if (v instanceof PyDict) {
    const d = new PyDict();
    for (const [k, x] of v) {
      const key = k === null || typeof k !== 'object' || k instanceof Markup ? k : repr(k);
      d.set(key, x instanceof PyDict || Array.isArray(x) ? simpleTypes(x) : plain(x));
    }
    return d;
  }
  if (Array.isArray(v))
    return v.map((x) => (x instanceof PyDict || Array.isArray(x) ? simpleTypes(x as Py) : plain(x as Py)));
  return v;
}
function plain(v: Py): Py {
  return v instanceof PyObject && !(v instanceof Markup) ? repr(v) : v instanceof Uint8Array ? repr(v) : v;
}

const WORDS =
  'lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua'.split(
    ' ',
  );
function lipsum(args: Py[]): Py {
  const [n, html, min, max] = args.map((v) => (typeof v === 'boolean' ? Number(v) : indexOf(v)));
  const out: string[] = [];
  for (let i = 0; i < Math.min(n as number, 100); i++) {
    const count = randomInt(min as number, Math.max(max as number, (min as number) + 1));
    const words = Array.from({ length: Math.min(count, 1000) }, () => WORDS[randomInt(WORDS.length)] as string);
    const text = words.join(' ');
    out.push(`${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`);
  }
  return html ? new Markup(out.map((p) => `<p>${escapeText(p)}</p>`).join('\n')) : out.join('\n\n');
}

const SHARED: readonly (readonly [string, Py])[] = [
  ['range', new PyFunction('safe_range(*args)', makeRange)],
  ['dict', new PyFunction('dict(*args, **kwargs)', makeDict, 'dict', FROM_KEYS)],
  ['odict', new PyFunction('OrderedDict(*args, **kwargs)', makeDict, 'collections.OrderedDict', FROM_KEYS)],
  ['lipsum', new PyFunction('generate_lorem_ipsum(n=5, html=True, min=20, max=100)', lipsum)],
  [
    'cycler',
    new PyFunction(
      'cycler(*items)',
      ([items]) => {
        if (!(items as Py[]).length) throw new SaltError('RuntimeError', 'at least one item has to be provided');
        return new Cycler(items as Py[]);
      },
      'jinja2.utils.Cycler',
    ),
  ],
  ['joiner', new PyFunction("joiner(sep=', ')", ([sep]) => new Joiner(sep as Py), 'jinja2.utils.Joiner')],
  [
    'namespace',
    new PyFunction(
      'Namespace(*args, **kwargs)',
      (a) => {
        const ns = new Namespace();
        dictOf(makeDict(a), ns.attributes);
        return ns;
      },
      'jinja2.utils.Namespace',
    ),
  ],
  [
    'raise',
    new PyFunction('jinja_raise(msg)', ([msg]) => {
      throw new SaltError('TemplateError', str(msg as Py));
    }),
  ],
  [
    'show_full_context',
    new ContextFunction('show_full_context', (c) => {
      const d = new PyDict();
      for (const [k, v] of c.all()) d.set(k, v);
      return simpleTypes(d);
    }),
  ],
];

/** The globals of a new environment. `ifelse` asks the minion's `match.ifelse` when it has one. */
export function makeGlobals(): Map<string, Py> {
  const all = new Map<string, Py>(SHARED);
  all.set(
    'ifelse',
    new ContextFunction('ifelse', (c, args, kwargs) => {
      if (args.length % 2 === 0)
        throw new SaltError('TemplateError', 'The ifelse function must have an odd number of arguments!');
      if (args.length === 1) return args[0] as Py;
      const salt = c.r('salt');
      const fn = salt instanceof PyObject ? salt.pyItem?.('match.ifelse') : undefined;
      if (!(fn instanceof PyObject) || !fn.pyCall)
        throw new SaltError('TypeError', "'match.ifelse' is not available here");
      return fn.pyCall(args, kwargs);
    }),
  );
  return all;
}
