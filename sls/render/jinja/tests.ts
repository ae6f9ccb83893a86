/** Jinja's and Salt's tests. */
import { SaltError } from '../../../bus/errors.ts';
import { pyRegex } from '../../regex.ts';
import {
  contains,
  eq,
  isFloat,
  isInt,
  isStr,
  iteratorOf,
  Markup,
  numberOf,
  order,
  type Py,
  PyDict,
  PyObject,
  PyRange,
  PyTuple,
  str,
  strOf,
  truth,
  typeName,
  Undefined,
} from '../../values.ts';
import type { TestRow } from './engine.ts';
import { mod } from './ops.ts';

const cased = (t: string): boolean => t.toLowerCase() !== t || t.toUpperCase() !== t;
const compareWith =
  (op: '<' | '<=' | '>' | '>=') =>
  (a: Py[]): boolean =>
    order(op, a[0] as Py, a[1] as Py);
const equal = (a: Py[]): boolean => eq(a[0] as Py, a[1] as Py);
const differ = (a: Py[]): boolean => !eq(a[0] as Py, a[1] as Py);

/** The tests by name. */
export const TESTS: readonly TestRow[] = [
  ['odd', 'test_odd(value)', ([v]) => eq(mod(v as Py, 2), 1)],
  ['even', 'test_even(value)', ([v]) => eq(mod(v as Py, 2), 0)],
  ['divisibleby', 'test_divisibleby(value, num)', ([v, n]) => eq(mod(v as Py, n as Py), 0)],
  ['defined', 'test_defined(value)', ([v]) => !(v instanceof Undefined)],
  ['undefined', 'test_undefined(value)', ([v]) => v instanceof Undefined],
  ['filter', 'test_filter(environment, value)', ([v], e) => e.findFilter(strOf(v as Py) ?? '') !== undefined],
  ['test', 'test_test(environment, value)', ([v], e) => e.findTest(strOf(v as Py) ?? '') !== undefined],
  ['none', 'test_none(value)', ([v]) => v === null],
  ['boolean', 'test_boolean(value)', ([v]) => typeof v === 'boolean'],
  ['false', 'test_false(value)', ([v]) => v === false],
  ['true', 'test_true(value)', ([v]) => v === true],
  ['integer', 'test_integer(value)', ([v]) => isInt(v as Py)],
  ['float', 'test_float(value)', ([v]) => isFloat(v as Py)],
  [
    'lower',
    'test_lower(value)',
    ([v]) => {
      const t = str(v as Py);
      return cased(t) && t.toLowerCase() === t;
    },
  ],
  [
    'upper',
    'test_upper(value)',
    ([v]) => {
      const t = str(v as Py);
      return cased(t) && t.toUpperCase() === t;
    },
  ],
  ['string', 'test_string(value)', ([v]) => isStr(v as Py)],
  ['mapping', 'test_mapping(value)', ([v]) => v instanceof PyDict],
  ['number', 'test_number(value)', ([v]) => numberOf(v as Py) !== undefined],
  [
    'sequence',
    'test_sequence(value)',
    ([v]) => {
      if (v instanceof Undefined) return !v.strict;
      return (
        isStr(v as Py) || Array.isArray(v) || v instanceof PyDict || v instanceof PyRange || v instanceof Uint8Array
      );
    },
  ],
  [
    'iterable',
    'test_iterable(value)',
    ([v]) => {
      if (v instanceof Undefined) return v.strict ? v.fail() : true;
      return iteratorOf(v as Py) !== undefined;
    },
  ],
  ['callable', 'callable(obj)', ([v]) => v instanceof PyObject && (v.pyCall !== undefined || v instanceof Undefined)],
  ['sameas', 'test_sameas(value, other)', ([v, o]) => v === o],
  ['escaped', 'test_escaped(value)', ([v]) => v instanceof Markup],
  ['in', 'test_in(value, seq)', ([v, seq]) => contains(seq as Py, v as Py)],
  ['list', 'is_list(value)', ([v]) => Array.isArray(v) && !(v instanceof PyTuple)],
  [
    'match',
    'test_match(txt, rgx, ignorecase=False, multiline=False)',
    ([t, r, i, m]) => regexOf(r as Py, i as Py, m as Py).match(textOf(t as Py)) !== null,
  ],
  ...(['==', 'eq', 'equalto'] as const).map(
    (n): TestRow => [n, n === 'equalto' ? 'test_equalto(value, other)' : 'eq(a, b)', equal],
  ),
  ...(['!=', 'ne'] as const).map((n): TestRow => [n, 'ne(a, b)', differ]),
  ...(['>', 'gt', 'greaterthan'] as const).map((n): TestRow => [n, 'gt(a, b)', compareWith('>')]),
  ...(['>=', 'ge'] as const).map((n): TestRow => [n, 'ge(a, b)', compareWith('>=')]),
  ...(['<', 'lt', 'lessthan'] as const).map((n): TestRow => [n, 'lt(a, b)', compareWith('<')]),
  ...(['<=', 'le'] as const).map((n): TestRow => [n, 'le(a, b)', compareWith('<=')]),
];

/** A compiled pattern from a template's arguments. */
export function regexOf(pattern: Py, ignoreCase: Py, multiline: Py): ReturnType<typeof pyRegex> {
  const p = strOf(pattern);
  if (p === undefined) {
    if (pattern instanceof Undefined) pattern.fail();
    throw new SaltError('TypeError', 'first argument must be string or compiled pattern');
  }
  return pyRegex(p, (truth(ignoreCase) ? 'i' : '') + (truth(multiline) ? 'm' : ''));
}
/** The text a pattern is tried on. */
export function textOf(v: Py): string {
  const t = strOf(v);
  if (t === undefined) {
    throw new SaltError('TypeError', `expected string or bytes-like object, got '${typeName(v)}'`);
  }
  return t;
}
