/** Compiles minions' pillars in a job process of the master, and tells which files they were made of. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { type CallPlace, Calls, Modules, noMaster, PLAIN_PILLAR } from '../minion/call.ts';
import { type FileClient, LocalFiles } from '../sls/files/client.ts';
import { Roots } from '../sls/files/roots.ts';
import { PillarCompiler } from '../sls/pillar.ts';
import { extPillars, onDemand } from '../sls/pillar-sources.ts';
import type { CallSource } from '../sls/render/jinja.ts';
import { stateText } from './pillar-inputs.ts';

/** What a pillar is compiled for. */
export interface PillarTask {
  readonly id: string;
  readonly grains: PyDict;
  readonly saltenv: string | null;
  readonly pillarenv: string | null;
  readonly override: PyDict;
  readonly ext?: Py;
}

/** A compiled pillar. `inputs` are the files and folders that it hangs on with their state; absent when it hangs on more than them. */
export interface MadePillar {
  readonly pillar: PyDict;
  readonly inputs?: readonly (readonly [path: string, state: string])[];
}

/** Functions that answer the same as long as grains and pillar stay the same. */
const STEADY =
  /^(grains\.(get|item|items|filter_by|has_value|equals)|pillar\.(get|item|keys|fetch|filter_by)|match\.|slsutil\.(merge|update|merge_all)|defaults\.(merge|deepcopy)|test\.(echo|ping|true|false)|config\.(get|option)|hashutil\.)/;
/** Names in a template that make its text differ from one time to the next. */
const CHANGING = /strftime|date_format|random|shuffle|uuid|sample|http_query|dns_check|\bnow\b|#!.*\bpy\b|gpg/;

/** Notes what a compilation reads. */
class Watched implements FileClient {
  readonly seen = new Map<string, string>();
  private readonly walked = new Set<string>();
  constructor(
    private readonly files: LocalFiles,
    private readonly roots: Roots,
    private readonly folders: (saltenv: string) => readonly string[],
  ) {}
  private note(path: string): void {
    if (!this.seen.has(path)) this.seen.set(path, stateText(statSync(path, { throwIfNoEntry: false })));
  }
  /** Each folder of an environment: what comes or goes in it changes it. */
  private walk(saltenv: string): void {
    if (this.walked.has(saltenv)) return;
    this.walked.add(saltenv);
    for (const root of this.folders(saltenv)) {
      this.note(root);
      for (const dir of this.roots.tree(saltenv).dirs) this.note(join(root, dir));
    }
  }
  envs(): string[] {
    return this.files.envs();
  }
  list(saltenv: string): readonly string[] {
    this.walk(saltenv);
    return this.files.list(saltenv);
  }
  cache(path: string, saltenv: string): string | undefined {
    this.walk(saltenv);
    const found = this.files.cache(path, saltenv);
    if (found !== undefined) this.note(found);
    return found;
  }
}

interface Making {
  readonly compiler: PillarCompiler;
  /** What was read, if the pillar hangs on nothing else. */
  inputs(): MadePillar['inputs'];
}

function prepare(opts: Opts, log: Log, modules: Modules, task: PillarTask): Making {
  const dirs = [...opts.list('module_dirs'), opts.str('extension_modules')].map((d) => join(String(d), 'pillar'));
  let steady = opts.list('ext_pillar').length === 0 && task.ext === undefined;
  let watched: Watched | undefined;
  const functions = (o: Opts, pillar: PyDict): CallSource => {
    const place: CallPlace = {
      opts: o,
      log,
      grains: () => task.grains,
      pillar: () => pillar,
      master: noMaster,
      fireLocal: () => false,
      daemon: () => null,
    };
    const calls = new Calls(modules, place, undefined, new PyDict<Py>([[PLAIN_PILLAR, true]]));
    return {
      has: (name) => calls.has(name),
      names: () => calls.names(),
      call: (name, args, kwargs) => {
        if (!STEADY.test(name)) steady = false;
        return calls.call(name, args, kwargs);
      },
    };
  };
  const own = task.ext === undefined ? opts : onDemand(opts, task.ext, log);
  const compiler = new PillarCompiler({
    ...task,
    opts: own,
    log,
    files: (o) => {
      const roots = new Roots(o, 'pillar_roots');
      const folders = (env: string): string[] => {
        const list = o.dict('pillar_roots').get(env);
        return Array.isArray(list) ? list.map(String) : [];
      };
      watched = new Watched(new LocalFiles(roots), roots, folders);
      return watched;
    },
    functions,
    extPillar: extPillars(own, log, dirs),
    onSource: (text) => {
      if (CHANGING.test(text)) steady = false;
    },
  });
  return { compiler, inputs: () => (steady && watched ? [...watched.seen] : undefined) };
}

/** Makes the function that compiles pillars under the master's options. Modules stay loaded from one to the next. */
export function pillarMaker(opts: Opts, log: Log): (task: PillarTask) => MadePillar {
  const local = opts.with({ file_client: 'local' });
  const modules = new Modules(local, log);
  return (task) => {
    const making = prepare(local, log, modules, task);
    const pillar = making.compiler.compile();
    const inputs = making.inputs();
    return inputs ? { pillar, inputs } : { pillar };
  };
}

/** The merged pillar top for a minion, with what went wrong. */
export function pillarTop(opts: Opts, log: Log, task: PillarTask): { top: PyDict; errors: string[] } {
  const local = opts.with({ file_client: 'local' });
  return prepare(local, log, new Modules(local, log), task).compiler.top();
}
