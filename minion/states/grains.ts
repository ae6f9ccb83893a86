/** Grains kept in the minion's own grains file. */
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { contains, eq, str, truth } from '../../sls/values.ts';
import { answer, entries, say } from '../state/answer.ts';
import type { StateCtx, StateModule } from './contract.ts';

/** Stands for a grain that is not there; no grain holds it. */
const NONE = '\u0000no such grain';
const nameOf = (a: Args): string => str(a['name'] as Py).replaceAll(str(a['delimiter'] ?? ':'), ':');
const read = (name: string, ctx: StateCtx): Py => ctx.salt.call('grains.get', [name, NONE]);

function exists(a: Args, ctx: StateCtx): PyDict {
  const name = nameOf(a);
  return read(name, ctx) === NONE ? answer(name, false, 'Grain does not exist') : answer(name, true, 'Grain exists');
}

function present(a: Args, ctx: StateCtx): PyDict {
  const name = nameOf(a);
  const value = a['value'] as Py;
  const now = read(name, ctx);
  const ret = answer(name);
  if (now !== NONE && eq(now, value)) return say(ret, true, 'Grain is already set');
  if (ctx.test) {
    ret.set('changes', now === NONE ? entries(['new', name]) : entries(['changed', entries([name, value])]));
    return say(ret, null, `Grain ${name} is set to be ${now === NONE ? 'added' : 'changed'}`);
  }
  const done = ctx.salt.call('grains.set', [name, value], { force: a['force'] ?? false }) as PyDict;
  if (done.get('result') === true && truth(done.get('changes') ?? null))
    done.set('comment', `Set grain ${name} to ${str(value)}`);
  done.set('name', name);
  return done;
}

/** Values that this run has promised to grains but that are not read back yet. */
function pending(name: string, ctx: StateCtx): Py[] {
  let all = ctx.context.get('pending_grains');
  if (!(all instanceof PyDict)) {
    all = new PyDict();
    ctx.context.set('pending_grains', all);
  }
  const own = (all as PyDict).get(name);
  if (Array.isArray(own)) return own as Py[];
  const made: Py[] = [];
  (all as PyDict).set(name, made);
  return made;
}

function listPresent(a: Args, ctx: StateCtx): PyDict {
  const name = nameOf(a);
  let value = a['value'] as Py;
  const ret = answer(name);
  const grain = ctx.salt.call('grains.get', [name]);
  const waiting = pending(name, ctx);
  const there = truth(grain);
  if (there && !Array.isArray(grain)) return say(ret, false, `Grain ${name} is not a valid list`);
  const known = (v: Py): boolean => (there && contains(grain, v)) || contains(waiting, v);
  let note = '';
  if (Array.isArray(value)) {
    const fresh = (value as Py[]).filter((v) => !known(v));
    const old = (value as Py[]).filter(known);
    if (!fresh.length)
      return say(
        ret,
        true,
        there
          ? `Value ${str(value)} is already in grain ${name} (or pending)`
          : `Value ${str(value)} is already pending in grain ${name}`,
      );
    waiting.push(...fresh);
    value = fresh;
    if (old.length)
      note = there
        ? `Removed value ${str(old)} from update due to value found in "${name}" (or pending).\n`
        : `Removed value ${str(old)} from update due to value already pending in "${name}".\n`;
  } else {
    if (known(value))
      return say(
        ret,
        true,
        there
          ? `Value ${str(value)} is already in grain ${name} (or pending)`
          : `Value ${str(value)} is already pending in grain ${name}`,
      );
    waiting.push(value);
  }
  if (ctx.test) {
    ret.set('changes', entries(['new', grain]));
    return say(
      ret,
      null,
      there ? `Value ${str(value)} is set to be appended to grain ${name}` : `Grain ${name} is set to be added`,
    );
  }
  const now = ctx.salt.call('grains.append', [name, value]);
  const after = ctx.salt.call('grains.get', [name, []]);
  const all = Array.isArray(value) ? (value as Py[]) : [value];
  if (!all.every((v) => contains(after, v)))
    return say(ret, false, `Failed append value ${str(value)} to grain ${name}`);
  ret.set('changes', entries(['new', now]));
  return say(ret, true, `${note}Append value ${str(value)} to grain ${name}`);
}

function listAbsent(a: Args, ctx: StateCtx): PyDict {
  const name = nameOf(a);
  const ret = answer(name);
  const grain = ctx.salt.call('grains.get', [name, null]);
  if (!truth(grain)) return say(ret, true, `Grain ${name} does not exist`);
  if (!Array.isArray(grain)) return say(ret, false, `Grain ${name} is not a valid list`);
  const lines: string[] = [];
  const gone: Py[] = [];
  for (const v of Array.isArray(a['value']) ? (a['value'] as Py[]) : [a['value'] as Py]) {
    if (!contains(grain, v)) {
      lines.push(`Value ${str(v)} is absent from grain ${name}`);
      continue;
    }
    gone.push(v);
    if (ctx.test) {
      ret.set('result', null);
      lines.push(`Value ${str(v)} in grain ${name} is set to be deleted`);
    } else {
      ctx.salt.call('grains.remove', [name, v]);
      lines.push(`Value ${str(v)} was deleted from grain ${name}`);
    }
  }
  if (gone.length) ret.set('changes', entries(['deleted', gone]));
  ret.set('comment', lines.join('\n'));
  return ret;
}

function absent(a: Args, ctx: StateCtx): PyDict {
  const name = nameOf(a);
  const destructive = a['destructive'] === true;
  const now = read(name, ctx);
  const ret = answer(name);
  if (now === NONE) return say(ret, true, `Grain ${name} does not exist`);
  const tell = (to: PyDict, done: boolean): void => {
    if (destructive) {
      to.set('comment', `Grain ${name} ${done ? 'was' : 'is set to be'} deleted`);
      to.set('changes', entries(['deleted', name]));
    } else if (now !== null) {
      to.set(
        'comment',
        done ? `Value for grain ${name} was set to None` : `Value for grain ${name} is set to be deleted (None)`,
      );
      to.set('changes', entries(['grain', name], ['value', null]));
    }
  };
  if (ctx.test) {
    ret.set('result', null);
    tell(ret, false);
    return ret;
  }
  const done = ctx.salt.call('grains.set', [name, null], {
    destructive: a['destructive'] ?? false,
    force: a['force'] ?? false,
  }) as PyDict;
  if (done.get('result') === true) tell(done, true);
  done.set('name', name);
  return done;
}

function append(a: Args, ctx: StateCtx): PyDict {
  const name = nameOf(a);
  const value = a['value'] as Py;
  const ret = answer(name);
  const grain = ctx.salt.call('grains.get', [name, null]);
  if (!truth(grain) && !ctx.grains.has(name)) return say(ret, false, `Grain ${name} does not exist`);
  const added = (): void => void ret.set('changes', entries(['added', value]));
  if (Array.isArray(grain)) {
    if (contains(grain, value)) return say(ret, true, `Value ${str(value)} is already in the list for grain ${name}`);
    added();
    if (ctx.test) return say(ret, null, `Value ${str(value)} in grain ${name} is set to be added`);
    ctx.salt.call('grains.append', [name, value]);
    return say(ret, true, `Value ${str(value)} was added to grain ${name}`);
  }
  if (a['convert'] !== true) return say(ret, false, `Grain ${name} is not a valid list`);
  added();
  if (ctx.test)
    return say(ret, null, `Grain ${name} is set to be converted to list and value ${str(value)} will be added`);
  ctx.salt.call('grains.setval', [name, grain === null ? [value] : [grain, value]]);
  return say(ret, true, `Value ${str(value)} was added to grain ${name}`);
}

export default {
  doc: 'Manages grains that operators give a minion.',
  functions: {
    exists: fn("exists(name, delimiter=':')", 'Fails unless a grain is there.', exists),
    present: fn("present(name, value, delimiter=':', force=False)", 'Makes sure that a grain has a value.', present),
    absent: fn(
      "absent(name, destructive=False, delimiter=':', force=False)",
      'Makes sure that a grain has no value, or with destructive=True is not there.',
      absent,
    ),
    append: fn(
      "append(name, value, convert=False, delimiter=':')",
      'Makes sure that a value is in a grain that is a list.',
      append,
    ),
    list_present: fn("list_present(name, value, delimiter=':')", 'Makes sure that values are in a list.', listPresent),
    list_absent: fn("list_absent(name, value, delimiter=':')", 'Makes sure that values are not in a list.', listAbsent),
  },
} satisfies StateModule;
