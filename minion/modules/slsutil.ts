/** Templates, merging, formats and the state tree, for use in SLS files. */
import { existsSync, statSync } from 'node:fs';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { cleanKwargs } from '../../sls/call-format.ts';
import { mergeBy } from '../../sls/merge.ts';
import { SlsRenderer } from '../../sls/render/sls-file.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { wrapText } from '../../sls/text-layout.ts';
import { chars, contains, deepCopy, isList, iterate, str, textLength, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import { MinionFiles } from '../file-client.ts';
import { plainPillar } from '../pillar.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';
import { deserialize, serialize } from './slsutil/serializers.ts';

const doc = docFor('slsutil');
const given = (v: Py | undefined): v is Py => truth(v ?? null);

/** Lays one dict over another in place; depth stops mattering as soon as the two have no key in common. */
function update(dest: Py, upd: Py, recursive: boolean, lists: boolean): PyDict {
  if (!(dest instanceof PyDict) || !(upd instanceof PyDict))
    throw new SaltError('TypeError', 'Cannot update using non-dict types in dictupdate.update()');
  for (const [k, v] of [...upd]) {
    const old = dest.get(k);
    if (recursive && old instanceof PyDict && v instanceof PyDict) update(old, v, true, lists);
    else if (recursive && lists && old !== undefined && isList(old) && isList(v)) {
      const joined = deepCopy(old) as Py[];
      for (const x of v) if (!contains(joined, x)) joined.push(x);
      dest.set(k, joined);
    } else dest.set(k, v);
  }
  return dest;
}

/** Joins two dicts by a strategy; neither is changed, except that `overwrite` changes the first, as the reference does. */
function merge(a: Py, b: Py, how: Args, ctx: ModuleCtx): PyDict {
  if (!(a instanceof PyDict) || !(b instanceof PyDict))
    throw new SaltError('TypeError', 'Cannot update using non-dict types in dictupdate.update()');
  const strategy = str(how['strategy'] as Py);
  if (strategy === 'overwrite') for (const [k, v] of b) if (a.has(k)) a.set(k, v);
  const rules = {
    strategy,
    renderer: str(how['renderer'] as Py),
    lists: truth(how['merge_lists'] as Py),
    log: ctx.log,
  };
  return mergeBy(rules, deepCopy(a), b);
}

function render(a: Args, ctx: ModuleCtx): Py {
  const { path = null, string = null } = a;
  if (!given(path) && !given(string)) throw new SaltError('SaltInvocationError', 'Must pass path or string.');
  if (given(path) && given(string)) throw new SaltError('SaltInvocationError', 'Must not pass both path and string.');
  const variables = new PyDict([...(a['kwargs'] as PyDict)].filter(([k]) => !str(k).startsWith('__')));
  const take = (key: string): Py | undefined => {
    const v = variables.get(key);
    variables.delete(key);
    return v;
  };
  const saltenv = take('saltenv') ?? 'base';
  const sls = str(take('sls') ?? '');
  const own = take('context') ?? null;
  take('env');
  const more = [...variables, ...(own instanceof PyDict ? own : [])];
  let file = ':string:';
  if (given(path)) {
    const cached = ctx.salt.call('cp.get_url', [path], { saltenv });
    if (typeof cached !== 'string') {
      ctx.log.error(`Template was specified incorrectly: ${str(cached)}`);
      return new PyDict();
    }
    if (!existsSync(cached) || !statSync(cached).isFile()) {
      ctx.log.error(`Template does not exist: ${cached}`);
      return new PyDict();
    }
    file = cached;
  }
  const renderer = new SlsRenderer({
    opts: ctx.opts,
    log: ctx.log,
    files: new MinionFiles(ctx.opts, ctx.master, ctx.log),
    grains: ctx.grains,
    pillar: ctx.pillar,
    salt: plainPillar(ctx.salt, ctx.context),
  });
  try {
    const pipe = str(a['default_renderer'] as Py);
    return renderer.through(
      pipe,
      { path: file, saltenv: str(saltenv), sls, more },
      given(string) ? str(string) : undefined,
    );
  } finally {
    renderer.close();
  }
}

function center(text: string, width: number): string {
  const room = Math.max(0, width - textLength(text));
  const left = Math.floor(room / 2) + (room & width & 1);
  return ' '.repeat(left) + text + ' '.repeat(room - left);
}

function banner(a: Args): string {
  const text = (key: string, otherwise: string): string => ((a[key] ?? null) === null ? otherwise : str(a[key] as Py));
  const width = Number(a['width']);
  const comment = text('commentchar', '#');
  const left = comment.trimEnd();
  const right = comment.trim();
  const room = width - textLength(left) - textLength(right) - 2;
  if (room <= 0) throw new SaltError('ArgumentValueError', 'Width is too small to render banner');
  const rule =
    comment +
    (chars(text('borderchar', '#'))[0] ?? '').repeat(Math.max(0, width - textLength(left) - textLength(right))) +
    right;
  const gap = comment + ' '.repeat(Math.max(0, width - textLength(comment) * 2)) + comment;
  const title = text('title', 'THIS FILE IS MANAGED BY SALT - DO NOT EDIT');
  const body = text(
    'text',
    'The contents of this file are managed by Salt. Any changes to this file may be overwritten automatically and without warning.',
  );
  const lines = [rule, gap];
  for (const line of wrapText(title, room)) lines.push(`${left} ${center(line, room)} ${right}`);
  lines.push(gap);
  for (const line of wrapText(body, room))
    lines.push(`${left} ${line}${' '.repeat(Math.max(0, room - textLength(line)))} ${right}`);
  lines.push(rule);
  if ((a['blockstart'] ?? null) !== null) lines.unshift(str(a['blockstart'] as Py));
  if ((a['blockend'] ?? null) !== null) lines.push(str(a['blockend'] as Py));
  return lines.join('\n') + (truth(a['newline'] as Py) ? '\n' : '');
}

/** Files or folders of an environment, asked for once a job. */
function listed(kind: 'file_list' | 'dir_list', saltenv: Py, ctx: ModuleCtx): Py {
  const below = (d: PyDict, key: Py): PyDict => {
    const old = d.get(key);
    if (old instanceof PyDict) return old;
    const made = new PyDict();
    d.set(key, made);
    return made;
  };
  const kept = below(below(ctx.context, 'slsutil'), saltenv);
  const before = kept.get(kind);
  if (before !== undefined) return before;
  const fresh = ctx.salt.call(kind === 'file_list' ? 'cp.list_master' : 'cp.list_master_dirs', [saltenv]);
  kept.set(kind, fresh);
  return fresh;
}
const isFile = (path: Py, saltenv: Py, ctx: ModuleCtx): boolean => contains(listed('file_list', saltenv, ctx), path);
const isDir = (path: Py, saltenv: Py, ctx: ModuleCtx): boolean => contains(listed('dir_list', saltenv, ctx), path);
const isPath = (path: Py, env: Py, ctx: ModuleCtx): boolean => isFile(path, env, ctx) || isDir(path, env, ctx);

function findup(a: Args, ctx: ModuleCtx): Py {
  const { saltenv = 'base', filenames = null } = a;
  let at = given(a['startpath']) ? str(a['startpath']) : '';
  // What is not normalised would never be found in the lists.
  if (at && !isPath(at, saltenv, ctx))
    throw new SaltError('SaltInvocationError', `Starting path not found in the state tree: ${at}`);
  if (typeof filenames !== 'string' && !isList(filenames))
    throw new SaltError('SaltInvocationError', 'Filenames argument must be a string or list of strings');
  const names = typeof filenames === 'string' ? [filenames] : filenames;
  for (;;) {
    for (const name of names) {
      const wanted = str(name).replace(/^\/+/, '');
      const full = at ? `${at}/${wanted}`.replace(/\/+$/, '') : wanted;
      if (isPath(full, saltenv, ctx)) return full;
    }
    if (!at) throw new SaltError('CommandExecutionError', 'File pattern(s) not found in path ancestry');
    at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
  }
}

export default {
  doc: 'What SLS files use: templates, merging, formats, banners and a look into the state tree.',
  functions: {
    update: fn(
      'update(dest, upd, recursive_update=True, merge_lists=False)',
      doc('Lays one dict over another, in depth unless told not to.', "update '{a: 1}' '{b: 2}'"),
      (a) => update(a['dest'] as Py, a['upd'] as Py, truth(a['recursive_update'] as Py), truth(a['merge_lists'] as Py)),
    ),
    merge: fn(
      "merge(obj_a, obj_b, strategy='smart', renderer='yaml', merge_lists=False)",
      doc(
        'Joins two dicts by a strategy: aggregate, list, overwrite, recurse, or smart, which goes by the renderer.',
        "merge '{a: {b: 1}}' '{a: {c: 2}}'",
      ),
      (a, ctx) => merge(a['obj_a'] as Py, a['obj_b'] as Py, a, ctx),
    ),
    merge_all: fn(
      "merge_all(lst, strategy='smart', renderer='yaml', merge_lists=False)",
      doc('Joins a list of dicts, each over those before it.', "merge_all '[{a: 1}, {a: 2}, {b: 3}]'"),
      (a, ctx) => {
        let out = new PyDict();
        for (const x of iterate(a['lst'] as Py)) out = merge(out, x, a, ctx);
        return out;
      },
    ),
    renderer: fn(
      "renderer(path=None, string=None, default_renderer='jinja|yaml', **kwargs)",
      doc(
        'Renders a file (of this machine, of the state tree or of the web) or a text through a pipe of renderers, which its first line may name; further keywords are variables of the template.',
        'renderer salt://web/map.jinja',
        'renderer /etc/motd.jinja default_renderer=jinja',
        "renderer string='Hello {{ name }}' default_renderer=jinja name=world",
      ),
      render,
    ),
    serialize: fn(
      'serialize(serializer, obj, **mod_kwargs)',
      doc('Data as text of a format: json, yaml, yamlex or configparser.', "serialize json obj='{a: 1}'"),
      (a) => serialize(str(a['serializer'] as Py), a['obj'] as Py, cleanKwargs(a['mod_kwargs'] as PyDict)),
    ),
    deserialize: fn(
      'deserialize(serializer, stream_or_string, **mod_kwargs)',
      doc('Data of a text in a format: json, yaml, yamlex or configparser.', "deserialize json '[1, 2]'"),
      (a) => {
        const v = a['stream_or_string'] as Py;
        return deserialize(str(a['serializer'] as Py), v instanceof Uint8Array ? Buffer.from(v).toString() : str(v));
      },
    ),
    banner: fn(
      "banner(width=72, commentchar='#', borderchar='#', blockstart=None, blockend=None, title=None, text=None, newline=False)",
      doc('A block of comment that tells that a file is managed.', 'banner width=60 commentchar=//'),
      banner,
    ),
    boolstr: fn(
      "boolstr(value, true='true', false='false')",
      doc('One text for what is true, another for what is not.', 'boolstr True yes no'),
      (a) => (truth(a['value'] as Py) ? a['true'] : a['false']) as Py,
    ),
    file_exists: fn(
      "file_exists(path, saltenv='base')",
      doc('Whether the state tree has a file.', 'file_exists web/init.sls'),
      (a, ctx) => isFile(a['path'] as Py, a['saltenv'] as Py, ctx),
    ),
    dir_exists: fn(
      "dir_exists(path, saltenv='base')",
      doc('Whether the state tree has a folder.', 'dir_exists web/files'),
      (a, ctx) => isDir(a['path'] as Py, a['saltenv'] as Py, ctx),
    ),
    path_exists: fn(
      "path_exists(path, saltenv='base')",
      doc('Whether the state tree has a file or folder.', 'path_exists web'),
      (a, ctx) => isPath(a['path'] as Py, a['saltenv'] as Py, ctx),
    ),
    findup: fn(
      "findup(startpath, filenames, saltenv='base')",
      doc('The nearest file of some names in a folder of the state tree or above it.', 'findup web/site defaults.yaml'),
      findup,
    ),
  },
} satisfies ExecutionModule;
