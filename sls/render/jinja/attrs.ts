/**
 * Attribute and item access of templates: the sandbox. Methods come from one table per type, items from the value itself, and
 * nothing else exists; names that Python has but hides answer a value whose every use is a SecurityError.
 */
import { SaltError } from '../../../bus/errors.ts';
import {
  chars,
  dictGet,
  hasAstral,
  isFloat,
  Markup,
  numberOf,
  type Py,
  PyDict,
  PyFloat,
  PyObject,
  PyRange,
  PySet,
  PyTuple,
  repr,
  strOf,
  typeName,
  Undefined,
} from '../../values.ts';
import { callValue } from './call.ts';
import { escapeText } from './escape.ts';
import { formatTemplate } from './format.ts';
import { GroupTuple } from './group-tuple.ts';
import { BoundMethod, type Method, type MethodTable, method, runMethod } from './methods.ts';
import {
  DICT_METHODS,
  FLOAT_METHODS,
  INT_METHODS,
  LIST_METHODS,
  RANGE_METHODS,
  SET_METHODS,
  TUPLE_METHODS,
} from './methods-data.ts';
import { BYTES_METHODS, MARKUP_METHODS, markupMethod, TEXT_METHODS } from './methods-text.ts';
import { sliceIndices, typeError } from './ops.ts';

const DUNDER: ReadonlySet<string> = new Set(
  (
    'class init doc dict module new repr str hash eq ne lt le gt ge getattribute setattr delattr dir format reduce reduce_ex ' +
    'sizeof subclasshook init_subclass'
  )
    .split(' ')
    .map((n) => `__${n}__`),
);
const CONTAINER_DUNDER: ReadonlySet<string> = new Set(
  'add mul rmul contains getitem len iter setitem delitem reversed iadd imul class_getitem or ior ror mod rmod getnewargs'
    .split(' ')
    .map((n) => `__${n}__`),
);
const FUNCTION_DUNDER: ReadonlySet<string> = new Set(
  'call globals code closure defaults kwdefaults name qualname self func get annotations builtins mro bases base subclasses wrapped'
    .split(' ')
    .map((n) => `__${n}__`),
);
const HIDDEN: ReadonlySet<string> = new Set(
  'mro gi_frame gi_code gi_yieldfrom cr_frame cr_code ag_frame ag_code f_globals f_locals f_builtins f_code f_back tb_frame tb_next func_code func_globals func_closure func_defaults im_class im_func im_self'.split(
    ' ',
  ),
);

/** A slice as written in brackets, before it meets its sequence. */
export class Slice extends PyObject {
  constructor(
    readonly start: Py,
    readonly stop: Py,
    readonly step: Py,
  ) {
    super();
  }
  get pyType(): string {
    return 'slice';
  }
  override pyRepr(): string {
    return `slice(${repr(this.start)}, ${repr(this.stop)}, ${repr(this.step)})`;
  }
  override hashKey(): never {
    throw new SaltError('TypeError', "unhashable type: 'slice'");
  }
}

const MARKUP_TABLE: MethodTable = new Map([
  ...[...TEXT_METHODS].map(([n, m]) => [n, markupMethod(n, m)] as const),
  ...MARKUP_METHODS,
]);
const NONE: MethodTable = new Map();

function formatArguments(strict: boolean, args: Py[], kwargs: PyDict | null): { field(name: string): Py } {
  let auto = 0;
  let mode: 'auto' | 'manual' | undefined;
  const switched = (to: 'auto' | 'manual'): void => {
    if (mode && mode !== to)
      throw new SaltError(
        'ValueError',
        mode === 'manual'
          ? 'cannot switch from manual field specification to automatic field numbering'
          : 'cannot switch from automatic field numbering to manual field specification',
      );
    mode = to;
  };
  return {
    field(name) {
      const m = /^([^.[]*)([\s\S]*)$/.exec(name) as RegExpExecArray;
      let key = m[1] as string;
      if (key === '') {
        switched('auto');
        key = String(auto++);
      } else if (/^\d+$/.test(key)) switched('manual');
      let v: Py | undefined;
      if (/^\d+$/.test(key)) {
        v = args[Number(key)];
        if (v === undefined) throw new SaltError('IndexError', 'tuple index out of range');
      } else {
        v = kwargs?.get(key);
        if (v === undefined) throw new SaltError('KeyError', repr(key));
      }
      for (const part of (m[2] as string).matchAll(/\.([^.[]+)|\[([^\]]*)\]/g)) {
        const item = part[2];
        v =
          part[1] !== undefined
            ? getattr(v, part[1], strict)
            : getitem(v, /^\d+$/.test(item as string) ? Number(item) : (item as string), strict);
      }
      return v;
    },
  };
}
const FORMAT: Method = method<Py>(0, 1000, (self, args, kwargs) => format(self, formatArguments(true, args, kwargs)), {
  open: true,
});
const FORMAT_MAP: Method = method<Py>(
  1,
  1,
  (self, args) => format(self, formatArguments(true, [], args[0] instanceof PyDict ? args[0] : new PyDict())),
  { bare: true },
);
function format(self: Py, source: { field(name: string): Py }): Py {
  if (!(self instanceof Markup)) return formatTemplate(strOf(self) as string, source);
  return new Markup(
    formatTemplate(self.text, {
      field: (name) => {
        const v = source.field(name);
        return v instanceof Markup ? v.text : typeof v === 'string' ? escapeText(v) : v;
      },
    }),
  );
}

/** The method of that name that a value has. */
function methodOf(v: Py, name: string): Method | undefined {
  if (typeof v === 'string' || v instanceof Markup) {
    if (name === 'format') return FORMAT;
    if (name === 'format_map') return FORMAT_MAP;
    return (typeof v === 'string' ? TEXT_METHODS : MARKUP_TABLE).get(name);
  }
  return tableOf(v).get(name);
}
function tableOf(v: Py): MethodTable {
  if (v instanceof PyRange) return RANGE_METHODS;
  if (v instanceof PyDict) return DICT_METHODS;
  if (Array.isArray(v)) return v instanceof PyTuple ? TUPLE_METHODS : LIST_METHODS;
  if (v instanceof PySet) return SET_METHODS;
  if (v instanceof Uint8Array) return BYTES_METHODS;
  if (typeof v === 'number') return Number.isInteger(v) ? INT_METHODS : FLOAT_METHODS;
  if (typeof v === 'boolean' || typeof v === 'bigint') return INT_METHODS;
  if (v instanceof PyFloat) return FLOAT_METHODS;
  return NONE;
}
/** Plain attributes of numbers and ranges. */
function dataOf(v: Py, name: string): Py | undefined {
  if (v instanceof GroupTuple) return name === 'grouper' ? v[0] : name === 'list' ? v[1] : undefined;
  if (v instanceof PyRange) return name === 'start' || name === 'stop' || name === 'step' ? v[name] : undefined;
  if (numberOf(v) === undefined) return undefined;
  if (name === 'real') return typeof v === 'boolean' ? Number(v) : v;
  if (name === 'imag') return isFloat(v) ? new PyFloat(0) : 0;
  if (name === 'numerator' && !isFloat(v)) return typeof v === 'boolean' ? Number(v) : v;
  return name === 'denominator' && !isFloat(v) ? 1 : undefined;
}
/** Whether Python would find this name and the sandbox refuses it. */
function isHidden(v: Py, name: string): boolean {
  if (name.startsWith('__')) {
    if (DUNDER.has(name)) return true;
    if (CONTAINER_DUNDER.has(name))
      return typeof v === 'string' || (typeof v === 'object' && v !== null && !(v instanceof PyFloat));
    return FUNCTION_DUNDER.has(name) && v instanceof PyObject && v.pyCall !== undefined;
  }
  if (v instanceof Undefined) return name.startsWith('_undefined') || name === '_fail_with_undefined_error';
  return HIDDEN.has(name) && v instanceof PyObject && (v.pyCall !== undefined || v.pyType === 'generator');
}

/** The attribute itself: JS undefined when there is none. */
function attributeOf(v: Py, name: string): Py | undefined {
  if (v instanceof PyObject && !(v instanceof Markup || v instanceof PyRange)) {
    const own = v.pyAttr?.(name);
    if (own !== undefined) return own;
  } else {
    const m = methodOf(v, name);
    if (m) return new BoundMethod(v, name, m);
    const data = dataOf(v, name);
    if (data !== undefined) return data;
  }
  if (isHidden(v, name))
    return new Undefined(
      name,
      v,
      true,
      `access to attribute '${name}' of '${typeName(v)}' object is unsafe.`,
      'SecurityError',
    );
  return undefined;
}

/** `v.name`: a method or attribute first, then the item of that name. */
export function getattr(v: Py, name: string, strict: boolean): Py {
  if (v instanceof PyDict && !DICT_METHODS.has(name) && name[0] !== '_') {
    const item = v.get(name);
    if (item !== undefined) return item;
  }
  if (v instanceof Undefined && !isHidden(v, name)) v.fail();
  const attr = attributeOf(v, name);
  if (attr !== undefined) return attr;
  const item = itemOf(v, name);
  return item === undefined ? new Undefined(name, v, strict) : item;
}
/** `v[key]`: the item first, then the attribute of that name. */
export function getitem(v: Py, key: Py, strict: boolean): Py {
  if (v instanceof Undefined) v.fail();
  const item = itemOf(v, key);
  if (item !== undefined) return item;
  const name = strOf(key);
  const attr = name === undefined ? undefined : attributeOf(v, name);
  return attr === undefined ? new Undefined(name ?? key, v, strict) : attr;
}
/** The attribute alone, as the `attr` filter and `getattr()` read it: never an item. */
export function attributeOnly(v: Py, name: string, strict: boolean): Py {
  if (v instanceof Undefined && !isHidden(v, name)) v.fail();
  const attr = attributeOf(v, name);
  return attr === undefined ? new Undefined(name, v, strict) : attr;
}

/** An item or slice; JS undefined where Python raises LookupError, TypeError or AttributeError. */
function itemOf(v: Py, key: Py): Py | undefined {
  if (v instanceof PyDict) {
    if (typeof key === 'object' && key !== null && !(key instanceof PyTuple))
      if (Array.isArray(key) || key instanceof PyDict || key instanceof PySet || key instanceof Slice) return undefined;
    return dictGet(v, key);
  }
  if (key instanceof Slice) return sliced(v, key);
  const list = Array.isArray(v) ? (v as Py[]) : undefined;
  if (list || typeof v === 'string' || v instanceof Markup || v instanceof Uint8Array) {
    if (typeof key !== 'number' && typeof key !== 'boolean') return undefined;
    const i = Number(key);
    if (!Number.isInteger(i)) return undefined;
    if (list) return list[i < 0 ? i + list.length : i];
    if (v instanceof Uint8Array) return v[i < 0 ? i + v.length : i];
    const t = strOf(v as string) as string;
    const c = hasAstral(t) ? chars(t).at(i) : t[i < 0 ? i + t.length : i];
    return c === undefined ? undefined : typeof v === 'string' ? c : new Markup(c);
  }
  return v instanceof PyObject ? v.pyItem?.(key) : undefined;
}
/** `v[start:stop:step]`: unlike an item, a slice that the value lacks raises Python's own error. */
export function slice(v: Py, start: Py, stop: Py, step: Py): Py {
  if (v instanceof Undefined) v.fail();
  const made = sliced(v, new Slice(start, stop, step));
  if (made !== undefined) return made;
  if (v instanceof PyDict) return typeError("unhashable type: 'slice'");
  return typeError(`'${typeName(v)}' object is not subscriptable`);
}
function sliced(v: Py, s: Slice): Py | undefined {
  if (Array.isArray(v)) {
    const items = sliceIndices(v.length, s.start, s.stop, s.step).map((i) => v[i] as Py);
    return v instanceof PyTuple ? PyTuple.from_(items) : items;
  }
  const t = strOf(v);
  if (t !== undefined) {
    let out: string;
    if (!hasAstral(t) && s.step === null) {
      const at = sliceIndices(t.length, s.start, s.stop, null);
      out = at.length ? t.slice(at[0], (at[0] as number) + at.length) : '';
    } else {
      const list = chars(t);
      out = sliceIndices(list.length, s.start, s.stop, s.step)
        .map((i) => list[i])
        .join('');
    }
    return typeof v === 'string' ? out : new Markup(out);
  }
  if (v instanceof Uint8Array)
    return Uint8Array.from(sliceIndices(v.length, s.start, s.stop, s.step).map((i) => v[i] as number));
  if (v instanceof PyRange) {
    const at = sliceIndices(v.length, s.start, s.stop, s.step);
    const step = v.step * (at.length > 1 ? (at[1] as number) - (at[0] as number) : 1);
    const start = at.length ? v.start + (at[0] as number) * v.step : v.start;
    return new PyRange(start, start + step * at.length, step);
  }
  return undefined;
}

/** `v.name(*args, **kwargs)` without making a bound method for the usual case. */
export function callMethod(v: Py, name: string, args: Py[], kwargs: PyDict | null, strict: boolean): Py {
  if (!(v instanceof PyObject) || v instanceof Markup) {
    const m = methodOf(v, name);
    if (m) return runMethod(m, v, name, args, kwargs);
  }
  return call(getattr(v, name, strict), args, kwargs);
}
/** `f(*args, **kwargs)`; calling something undefined raises its own error. */
export function call(f: Py, args: Py[], kwargs: PyDict | null): Py {
  if (f instanceof Undefined) f.fail();
  return callValue(f, args, kwargs);
}

/** A dict or dict-like value that may be splatted as keywords. */
export function splat(v: Py): PyDict {
  if (v instanceof PyDict) {
    for (const k of v.keys()) if (strOf(k) === undefined) return typeError('keywords must be strings');
    return v;
  }
  if (v instanceof Undefined) v.fail();
  return typeError(`argument after ** must be a mapping, not ${typeName(v)}`);
}
