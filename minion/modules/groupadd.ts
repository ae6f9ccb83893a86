/** Groups of the machine. */
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { eq, str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import { allGroups, type Group, groupOf } from '../process/accounts.ts';
import { mustFind, runText, runWords } from '../process/through-cmd.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('group');
const rootOf = (a: Args): string | undefined => (a['root'] == null ? undefined : str(a['root']));
const rootWords = (root: string | undefined, option = '-R'): string[] => (root === undefined ? [] : [option, root]);

function find(name: Py, root: string | undefined): Group | undefined {
  return root === undefined ? groupOf(str(name)) : allGroups(root).find((g) => g.name === str(name));
}

const describe = (g: Group): PyDict =>
  new PyDict<Py>([
    ['name', g.name],
    ['passwd', g.password],
    ['gid', g.gid],
    ['members', [...g.members]],
  ]);

function add(a: Args, ctx: ModuleCtx): boolean {
  const local = truth(a['local'] as Py);
  const words: Py[] = [mustFind(local ? 'lgroupadd' : 'groupadd')];
  if (truth(a['gid'] as Py)) {
    words.push('-g', a['gid'] as Py);
    if (truth(a['non_unique'] as Py) && !local) words.push('-o');
  }
  if (truth(a['system'] as Py)) words.push('-r');
  if (!local) words.push(...rootWords(rootOf(a)));
  return runWords(ctx, [...words, a['name'] as Py]).code === 0;
}

function changeId(a: Args, ctx: ModuleCtx): boolean {
  const root = rootOf(a);
  const before = find(a['name'] as Py, root);
  if (!before) return false;
  if (eq(before.gid, a['gid'] as Py)) return true;
  runText(ctx, [
    mustFind('groupmod'),
    ...rootWords(root),
    truth(a['non_unique'] as Py) ? '-og' : '-g',
    a['gid'] as Py,
    a['name'] as Py,
  ]);
  return eq(find(a['name'] as Py, root)?.gid ?? null, a['gid'] as Py);
}

const gpasswd = (a: Args, ctx: ModuleCtx, ...words: Py[]): boolean =>
  runWords(ctx, [mustFind('gpasswd'), ...words, a['name'] as Py, ...rootWords(rootOf(a), '--root')]).code === 0;

export default {
  virtual: () => 'group',
  doc: 'Creates, changes, removes and describes the groups of the machine.',
  functions: {
    add: fn(
      'add(name, gid=None, system=False, root=None, non_unique=False, local=False)',
      doc(
        'Creates a group, with an id of its own or of the system range; non_unique=True allows an id in use.',
        'add web 3001',
      ),
      add,
    ),
    delete: fn('delete(name, root=None, local=False)', doc('Removes a group.', 'delete web'), (a, ctx: ModuleCtx) => {
      const local = truth(a['local'] as Py);
      return (
        runWords(ctx, [
          mustFind(local ? 'lgroupdel' : 'groupdel'),
          ...(local ? [] : rootWords(rootOf(a))),
          a['name'] as Py,
        ]).code === 0
      );
    }),
    info: fn(
      'info(name, root=None)',
      doc('All that is known of a group; an empty map for an unknown one.', 'info web'),
      (a) => {
        const g = find(a['name'] as Py, rootOf(a));
        return g ? describe(g) : new PyDict();
      },
    ),
    getent: fn('getent(refresh=False, root=None)', doc('Every group with all that is known of it.', 'getent'), (a) =>
      allGroups(rootOf(a)).map(describe),
    ),
    chgid: fn(
      'chgid(name, gid, root=None, non_unique=False)',
      doc("Changes a group's id.", 'chgid web 3002'),
      changeId,
    ),
    adduser: fn(
      'adduser(name, username, root=None)',
      doc('Adds a user to a group.', 'adduser web ann'),
      (a, ctx: ModuleCtx) => gpasswd(a, ctx, '--add', a['username'] as Py),
    ),
    deluser: fn(
      'deluser(name, username, root=None)',
      doc('Takes a user out of a group; one that is not in it counts as done.', 'deluser web ann'),
      (a, ctx: ModuleCtx) => {
        const g = groupOf(str(a['name'] as Py));
        if (!g?.members.includes(str(a['username'] as Py))) return true;
        return gpasswd(a, ctx, '--del', a['username'] as Py);
      },
    ),
    members: fn(
      'members(name, members_list, root=None)',
      doc('Replaces the members of a group by a comma separated list.', 'members web ann,bob'),
      (a, ctx: ModuleCtx) => gpasswd(a, ctx, '--members', a['members_list'] as Py),
    ),
  },
} satisfies ExecutionModule;
