/** Slots: arguments whose value is a call of an execution function, made just before the state runs. */
import { type Py, PyDict } from '../../bus/values.ts';
import { traverse } from '../../sls/traverse.ts';
import { isStr, str } from '../../sls/values.ts';
import type { ModuleCtx } from '../modules/contract.ts';

const MARK = '__slot__:';
const CLOSING: Readonly<Record<string, string>> = { '[': ']', '{': '}', '(': ')' };

/** Words of a call as the reference's lexer splits them: names and quoted texts whole, every other sign alone, blanks lost. */
function* words(text: string): Generator<string> {
  let word = '';
  let open = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (c === '"' || c === "'") {
      open = true;
      for (i++; i < text.length && text[i] !== c; i++) {
        if (text[i] === '\\' && (text[i + 1] === c || text[i + 1] === '\\')) i++;
        word += text[i];
      }
    } else if (/[\p{L}\p{N}_]/u.test(c)) {
      word += c;
      open = true;
    } else if (c === '\\' && i + 1 < text.length) {
      word += text[++i];
      open = true;
    } else {
      if (open) yield word;
      word = '';
      open = false;
      if (c === '#') {
        const end = text.indexOf('\n', i);
        if (end < 0) return;
        i = end;
      } else if (!/\s/.test(c)) yield c;
    }
  }
  if (open) yield word;
}

/** Reads `module.function(a, key=b)`; undefined where it is no call. Arguments are texts. */
export function parseCall(text: string): { fun: string; args: string[]; kwargs: PyDict } | undefined {
  const tokens = words(text);
  let fun = '';
  let opened = false;
  for (const t of resumed(tokens)) {
    if (t === '(') {
      opened = true;
      break;
    }
    fun += t;
  }
  if (!fun || !opened) return undefined;
  const args: string[] = [];
  const kwargs = new PyDict();
  const open: string[] = [];
  let key: string | undefined;
  let word: string[] = [];
  for (const t of resumed(tokens)) {
    if (t in CLOSING) {
      word.push(t);
      open.push(t);
    } else if ((t === ',' || t === ')') && !open.length) {
      if (key) kwargs.set(key, word.join(''));
      else if (word.length) args.push(word.join(''));
      if (t === ')') return { fun, args, kwargs };
      key = undefined;
      word = [];
    } else if (t === ']' || t === '}' || t === ')') {
      const last = open.pop();
      if (last === undefined || t !== CLOSING[last]) return undefined;
      word.push(t);
    } else if (t === '=' && !open.length) {
      key = word.join('');
      word = [];
    } else word.push(t);
  }
  return undefined;
}

/** The same iterator again after a loop was left: `for…of` alone would close it. */
function resumed(it: Iterator<string>): Iterable<string> {
  return { [Symbol.iterator]: () => ({ next: () => it.next() }) };
}

function evaluate(slot: string, ctx: ModuleCtx): Py {
  const first = slot.indexOf(':');
  const second = slot.indexOf(':', first + 1);
  if (second < 0 || slot.slice(first + 1, second) !== 'salt') {
    ctx.log.warning(`Malformed slot: ${slot}`);
    return slot;
  }
  const text = slot.slice(second + 1);
  const call = parseCall(text);
  if (!call || !ctx.salt.has(call.fun)) {
    ctx.log.warning(`Malformed slot: ${slot}`);
    ctx.log.warning("Execution module should be specified in a function call format: test.arg('arg', kw='kwarg')");
    return slot;
  }
  let value = ctx.salt.call(call.fun, call.args, call.kwargs);
  const tilde = text.indexOf('~');
  const before = tilde < 0 ? text : text.slice(0, tilde);
  const path = before.slice(before.lastIndexOf(')') + 1);
  if (path.includes('.')) value = traverse(value, path.slice(path.indexOf('.') + 1).trim(), '.') ?? null;
  if (tilde < 0) return value;
  if (!isStr(value)) {
    ctx.log.error('Ignoring slot append, slot result is not a string');
    return value;
  }
  const added = text.slice(tilde + 1).trim();
  return str(value) + (/^(["']).*\1$/s.test(added) && added.length > 1 ? added.slice(1, -1) : added);
}

const isSlot = (v: Py): v is string => typeof v === 'string' && v.startsWith(MARK);

function inMap(d: PyDict, ctx: ModuleCtx): void {
  for (const [k, v] of d) if (isSlot(v)) d.set(k, evaluate(v, ctx));
}

/** A value with its slots filled: a text, values of a map, texts of a list and values of maps in it. Containers are changed in place. */
export function fillSlots(v: Py, ctx: ModuleCtx): Py {
  if (isSlot(v)) return evaluate(v, ctx);
  if (v instanceof PyDict) inMap(v, ctx);
  else if (Array.isArray(v))
    (v as Py[]).forEach((x, i) => {
      if (isSlot(x)) v[i] = evaluate(x, ctx);
      else if (x instanceof PyDict) inMap(x, ctx);
    });
  return v;
}

/** Fills the slots of a call's arguments in place. */
export function fillCall(call: { args: Py[]; kwargs: PyDict }, ctx: ModuleCtx): void {
  call.args.forEach((a, i) => {
    call.args[i] = fillSlots(a, ctx);
  });
  for (const [k, v] of call.kwargs) call.kwargs.set(k, fillSlots(v, ctx));
}
