/** Pillar out of a tree of files: each file's content under its path, by minion and by node group. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Py, PyDict } from '../../bus/values.ts';
import { match } from '../../sls/match/match.ts';
import { mergeRecurse } from '../../sls/merge.ts';
import { str, truth } from '../../sls/values.ts';
import type { ExtPillarCtx, ExtPillarModule } from './contract.ts';

interface Rules {
  readonly follow: boolean;
  readonly keepNewline: boolean;
  readonly ctx: ExtPillarCtx;
}

/** The tree below a folder; binary files are bytes. A folder that is not there is empty. */
function tree(dir: string, rules: Rules): PyDict {
  const out = new PyDict();
  for (const entry of readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(dir, entry.name);
    if (entry.isSymbolicLink() && !rules.follow && statSync(path, { throwIfNoEntry: false })?.isDirectory()) continue;
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isDirectory()) out.set(entry.name, tree(path, rules));
    else if (stats?.isFile()) out.set(entry.name, content(path, rules));
    else rules.ctx.log.error(`file_tree: ${path}: not a regular file`);
  }
  return out;
}

function content(path: string, rules: Rules): Py {
  const bytes = readFileSync(path);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Uint8Array.from(bytes); // no text: handed on as it is
  }
  return rules.keepNewline || !text.endsWith('\n') ? text : text.slice(0, -1);
}

const isDir = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

export default {
  doc: 'Files below root_dir/hosts/<minion> and root_dir/nodegroups/<group>, each under its path.',
  extPillar(id, pillar, args, kwargs, ctx) {
    const option = (name: string): Py => kwargs.get(name) ?? null;
    const given = str(args[0] ?? option('root_dir') ?? '');
    const root = given.replaceAll('%s', () => id);
    if (!root) {
      ctx.log.error('file_tree: no root_dir specified');
      return new PyDict();
    }
    if (!isDir(root)) {
      ctx.log.error(`file_tree: root_dir ${root} does not exist or is not a directory`);
      return new PyDict();
    }
    if (/[/\0]/.test(id) || id === '.' || id === '..') return new PyDict();
    const rules: Rules = {
      follow: truth(option('follow_dir_links')),
      keepNewline: truth(option('keep_newline')),
      ctx,
    };
    const data = new PyDict();
    const groups = ctx.opts.dict('nodegroups');
    for (const group of groups.keys()) {
      const dir = join(root, 'nodegroups', str(group));
      const subject = { id, grains: new PyDict(), pillar };
      if (isDir(dir) && match('nodegroup', group, subject, { nodegroups: groups }))
        mergeRecurse(data, tree(dir, rules));
    }
    const own = join(root, 'hosts', id);
    if (isDir(own)) mergeRecurse(data, tree(own, rules));
    else ctx.log.debug(`file_tree: no files for minion ${id} in ${root}`);
    return data;
  },
} satisfies ExtPillarModule;
