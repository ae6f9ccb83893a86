/** Lists of other plug-ins than execution modules, for `sys`: read from this program's folders, loaded when first asked for. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { argspec, isFn } from '../sls/bind.ts';
import type { Catalog } from './modules/contract.ts';

declare const __brine_dist: string;

type Kind = 'states' | 'returners' | 'runners' | 'renderers';

const FOLDERS: { readonly [K in Exclude<Kind, 'renderers'>]: string } = {
  states: 'minion/states',
  returners: 'returners',
  runners: 'master/runners',
};

/** Signatures of a returner's functions under Salt's names. */
const RETURNER: { readonly [member: string]: string } = {
  returner: 'returner(ret)',
  eventReturn: 'event_return(events)',
  prepJid: 'prep_jid(nocache=False, passed_jid=None, recurse_count=0)',
  saveLoad: 'save_load(jid, clear_load, minions=None, recurse_count=0)',
  saveMinions: 'save_minions(jid, minions, syndic_id=None)',
  getLoad: 'get_load(jid)',
  getJid: 'get_jid(jid)',
  getJids: 'get_jids()',
  getFun: 'get_fun(fun)',
  getMinions: 'get_minions()',
  updateEndtime: 'update_endtime(jid, time)',
  cleanOldJobs: 'clean_old_jobs()',
};

interface Entry {
  sig: string;
  doc?: string;
}
interface PlugIn {
  doc?: string;
  functions?: { [name: string]: unknown };
  jobCache?: object;
  virtual?: (ctx: unknown) => unknown;
}

function entriesOf(kind: Kind, plugIn: PlugIn): { [name: string]: Entry } {
  const out: { [name: string]: Entry } = {};
  if (kind === 'returners') {
    for (const member of [...Object.keys(plugIn), ...Object.keys(plugIn.jobCache ?? {})]) {
      const sig = Object.hasOwn(RETURNER, member) ? RETURNER[member] : undefined;
      if (sig) out[sig.slice(0, sig.indexOf('('))] = { sig };
    }
    return out;
  }
  for (const [name, f] of Object.entries(plugIn.functions ?? {})) if (isFn(f)) out[name] = { sig: f.sig, doc: f.doc };
  return out;
}

/** The plug-ins of a kind as they load here. One that fails to load is logged and left out. */
export function catalogOf(kind: Kind, opts: Opts, log: Log): Catalog {
  const entries = new Map<string, Entry>();
  const docs = new Map<string, string | undefined>();
  if (kind === 'renderers') for (const name of rendererNames()) entries.set(name, { sig: `${name}(template)` });
  else {
    const dir = join(__brine_dist, ...FOLDERS[kind].split('/'));
    const require = createRequire(join(__brine_dist, 'index.js'));
    for (const file of existsSync(dir) ? readdirSync(dir).filter((n) => n.endsWith('.js')) : [])
      try {
        const plugIn = (require(join(dir, file)) as { default?: PlugIn }).default;
        if (!plugIn) continue;
        const virtual = plugIn.virtual?.({ opts, log, context: new Map() }) ?? true;
        if (typeof virtual === 'object') continue;
        const module = typeof virtual === 'string' ? virtual : file.slice(0, -3);
        docs.set(module, plugIn.doc);
        for (const [name, e] of Object.entries(entriesOf(kind, plugIn))) entries.set(`${module}.${name}`, e);
      } catch (e) {
        log.error(`Failed to import ${file}: ${messageOf(e)}`);
      }
  }
  const names = [...entries.keys()].sort();
  return {
    names: () => names,
    argspec: (name) => {
      const e = entries.get(name);
      return e && argspec(e.sig);
    },
    doc: (name) => (name.includes('.') ? entries.get(name)?.doc : docs.get(name)),
  };
}

/** Renderers are parts of the language room, one file or folder each. */
function rendererNames(): string[] {
  const dir = join(__brine_dist, 'sls', 'render');
  const files = existsSync(dir) ? readdirSync(dir) : [];
  const known = ['jinja', 'json', 'py', 'yaml'];
  return known.filter((k) => k === 'jinja' || k === 'yaml' || k === 'json' || files.some((f) => f.startsWith(k)));
}
