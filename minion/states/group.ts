/** Groups of the machine. */
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { contains, str, truth } from '../../sls/values.ts';
import { answer, entries, say } from '../state/answer.ts';
import type { StateCtx, StateModule } from './contract.ts';

const list = (v: Py): Py[] | null => (v === null ? null : Array.isArray(v) ? (v as Py[]) : [v]);

function info(a: Args, ctx: StateCtx): PyDict {
  const found = ctx.salt.call('group.info', [a['name'] as Py], truth(a['local'] ?? false) ? { root: '/' } : {});
  return found instanceof PyDict ? found : new PyDict();
}

/** What of a group differs from what is wanted; undefined where there is no such group. */
function differences(a: Args, ctx: StateCtx): PyDict | undefined {
  const now = info(a, ctx);
  if (!now.size) return undefined;
  const members = (now.get('members') as Py[] | undefined) ?? [];
  const change = new PyDict<Py>();
  if (truth(a['gid'] ?? null)) {
    const gid = Number(str(a['gid'] as Py));
    if (!Number.isInteger(gid)) return entries(['result', false], ['comment', 'Invalid gid']);
    if (now.get('gid') !== gid) change.set('gid', gid);
  }
  const wanted = list(a['members'] ?? null);
  if (wanted !== null) {
    const same = wanted.every((m) => contains(members, m)) && members.every((m) => contains(wanted, m));
    if (!same) change.set(wanted.length ? 'members' : 'delusers', wanted.length ? wanted : [...members]);
  }
  const add = (list(a['addusers'] ?? null) ?? []).filter((u) => !contains(members, u));
  const del = (list(a['delusers'] ?? null) ?? []).filter((u) => contains(members, u));
  if (add.length) change.set('addusers', add);
  if (del.length) change.set('delusers', del);
  return change;
}

function apply(a: Args, changes: PyDict, ctx: StateCtx): void {
  const name = a['name'] as Py;
  for (const [k, v] of changes)
    if (k === 'gid') ctx.salt.call('group.chgid', [name, v], { non_unique: a['non_unique'] ?? false });
    else if (k === 'addusers') for (const u of v as Py[]) ctx.salt.call('group.adduser', [name, u]);
    else if (k === 'delusers') for (const u of v as Py[]) ctx.salt.call('group.deluser', [name, u]);
    else if (k === 'members') ctx.salt.call('group.members', [name, (v as Py[]).map((m) => str(m)).join(',')]);
  ctx.context.delete('group.getent');
}

function present(a: Args, ctx: StateCtx): PyDict {
  const name = str(a['name'] as Py);
  const ret = answer(name, true, `Group ${name} is present and up to date`);
  const [members, add, del] = [list(a['members'] ?? null), list(a['addusers'] ?? null), list(a['delusers'] ?? null)];
  if (members !== null && (add !== null || del !== null))
    return say(
      ret,
      null,
      'Error: Conflicting options "members" with "addusers" and/or "delusers" can not be used together. ',
    );
  if (add?.length && del?.length && add.some((u) => contains(del, u)))
    return say(ret, null, 'Error. Same user(s) can not be added and deleted simultaneously');
  const changes = differences(a, ctx);
  if (changes?.size) {
    let text = 'The following group attributes are set to be changed:\n';
    for (const [k, v] of changes) text += `${str(k)}: ${str(v)}\n`;
    if (ctx.test) return say(ret, null, text);
    apply(a, changes, ctx);
    const left = differences(a, ctx);
    if (left?.size) {
      ret.set('changes', entries(['Failed', left]));
      return say(ret, false, `${text}Some changes could not be applied`);
    }
    ret.set('changes', entries(['Final', 'All changes applied successfully']));
    return say(ret, true, text);
  }
  if (changes) return ret;
  if (ctx.test) return say(ret, null, `Group ${name} set to be added`);
  const gid = a['gid'] ?? null;
  if (gid !== null && !truth(a['non_unique'] ?? false)) {
    const taken = (ctx.salt.call('group.getent') as PyDict[]).find((g) => g.get('gid') === gid);
    if (taken)
      return say(
        ret,
        false,
        `Group ${name} is not present but gid ${str(gid)} is already taken by group ${str(taken.get('name') ?? null)}`,
      );
  }
  const made = ctx.salt.call('group.add', [name], {
    gid,
    system: a['system'] ?? false,
    non_unique: a['non_unique'] ?? false,
    local: a['local'] ?? false,
  });
  if (!truth(made)) return say(ret, false, `Failed to create new group ${name}`);
  const first = add?.length ? add : members;
  if (first?.length) ctx.salt.call('group.members', [name, first.map((m) => str(m)).join(',')]);
  ctx.context.delete('group.getent');
  say(ret, true, `New group ${name} created`);
  ret.set('changes', info(a, ctx));
  const left = differences(a, ctx);
  if (left?.size) {
    ret.set('changes', entries(['Failed', left]));
    say(ret, false, `Group ${name} has been created but, some changes could not be applied`);
  }
  return ret;
}

function absent(a: Args, ctx: StateCtx): PyDict {
  const name = str(a['name'] as Py);
  const ret = answer(name);
  if (!info(a, ctx).size) return say(ret, true, 'Group not present');
  if (ctx.test) return say(ret, null, `Group ${name} is set for removal`);
  const done = ctx.salt.call('group.delete', [name], { local: a['local'] ?? false });
  ctx.context.delete('group.getent');
  if (!truth(done)) return say(ret, done, `Failed to remove group ${name}`);
  ret.set('changes', entries([name, '']));
  return say(ret, done, `Removed group ${name}`);
}

export default {
  doc: 'Manages groups.',
  functions: {
    present: fn(
      'present(name, gid=None, system=False, addusers=None, delusers=None, members=None, non_unique=False, local=False)',
      'Makes sure that a group is there, with its id and members.',
      present,
    ),
    absent: fn('absent(name, local=False)', 'Makes sure that a group is not there.', absent),
  },
} satisfies StateModule;
