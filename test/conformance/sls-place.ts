/** The minion of the recordings: no master, files and pillar in a scratch folder, grains of its own, calls through this build's modules. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { quietLog } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { type CallPlace, Calls, Modules, noMaster } from '../../minion/call.ts';
import { catalogOf } from '../../minion/catalogs.ts';
import { ownPillar, plainPillar } from '../../minion/pillar.ts';
import { retcodeOf } from '../../minion/run-job.ts';
import { defaultOptions } from '../../sls/config-defaults.ts';
import { asRecorded } from './recorded.ts';

const dictOf = (v: Py | undefined): PyDict => (v instanceof PyDict ? v : new PyDict());

/** A scratch folder with the files of one case. */
export class SlsPlace {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'brine-sls-')));
  readonly opts: Opts;
  private readonly grains: PyDict;

  constructor(c: PyDict, grains: PyDict, usual: readonly (readonly [Py, Py])[] = []) {
    const envs = ['base', ...((c.get('envs') as Py[] | undefined) ?? []).map(String)];
    const fileRoots = this.write('states', dictOf(c.get('files')), envs);
    const pillarFiles = dictOf(c.get('pillar_files'));
    const pillarEnvs = [
      ...new Set(['base', ...[...pillarFiles.keys()].map((p) => String(p).split('/', 1)[0] as string)]),
    ];
    const pillarRoots = this.write('pillar', pillarFiles, pillarEnvs);
    this.grains = new PyDict([...grains, ...dictOf(c.get('grains'))]);
    this.opts = new Opts(
      new PyDict<Py>([
        ...defaultOptions('minion', 'root', this.root),
        ['id', 'm1'],
        ['file_client', 'local'],
        ['file_roots', fileRoots],
        ['pillar_roots', pillarRoots],
        ['cachedir', join(this.root, 'cache')],
        ...usual,
        ...dictOf(c.get('opts')),
      ]),
    );
  }

  private write(folder: string, files: PyDict, envs: readonly string[]): PyDict {
    for (const env of envs) mkdirSync(join(this.root, folder, env), { recursive: true });
    for (const [path, text] of files) {
      const full = join(this.root, folder, String(path));
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, String(text));
    }
    return new PyDict(envs.map((env) => [env, [join(this.root, folder, env)]]));
  }

  /** The functions of one process on this folder. */
  calls(more: Partial<CallPlace> = {}): Calls {
    const { opts, grains } = this;
    const modules = new Modules(opts, quietLog);
    const place: CallPlace = {
      opts,
      log: quietLog,
      grains: () => grains,
      pillar: () => {
        const made = this.pillar({}, modules);
        place.pillar = () => made;
        return made;
      },
      master: noMaster,
      fireLocal: () => false,
      daemon: () => null,
      catalog: (kind) => catalogOf(kind, opts, quietLog),
      ...more,
    };
    return new Calls(modules, place, undefined);
  }

  /** The pillar compiled anew. */
  pillar(wish: Parameters<typeof ownPillar>[1], modules = new Modules(this.opts, quietLog)): PyDict {
    const { opts, grains } = this;
    return ownPillar({ opts, log: quietLog, grains }, wish, (o, pillar) => {
      const inner = new Calls(
        modules,
        {
          opts: o,
          log: quietLog,
          grains: () => grains,
          pillar: () => pillar,
          master: noMaster,
          fireLocal: () => false,
          daemon: () => null,
        },
        undefined,
      );
      return plainPillar(inner, inner.context);
    });
  }

  /** One recorded call: `[function, arguments, keyword arguments]`. The answer as the recordings write it. */
  call(call: Py, calls: Calls, withCode: boolean): PyDict {
    const [fun, args, kwargs] = call as [string, Py[], PyDict];
    calls.context.set('retcode', 0);
    try {
      const ret = calls.call(fun, args, kwargs);
      const out = new PyDict<Py>([['return', this.marked(ret)]]);
      if (withCode) out.set('retcode', retcodeFor(ret, calls));
      return out;
    } catch (e) {
      return new PyDict([['error', this.error(e)]]);
    }
  }

  /** What was thrown, as the recordings write it. */
  error(e: unknown): PyDict {
    if (!(e instanceof SaltError)) throw e;
    return new PyDict<Py>([
      ['class', e.code],
      ['message', this.marked(e.message)],
    ]);
  }

  /** Data as recorded, with marks for the folder and for tracebacks. */
  marked(v: Py): Py {
    return texts(asRecorded(v), (t) =>
      t
        .replaceAll(this.root, 'ROOT')
        .replace(/Traceback \(most recent call last\):\n(?: {2}.*\n)*(?:\[\.\.\.\])?/g, 'TRACEBACK\n'),
    );
  }

  close(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** salt-call's return code: that of the function, or 1 for an answer of false. */
function retcodeFor(ret: Py, calls: Calls): Py {
  const own = retcodeOf(ret, calls.context) as Py;
  return own === 0 && ret === false ? 1 : own;
}

function texts(v: Py, change: (text: string) => string): Py {
  if (typeof v === 'string') return change(v);
  if (Array.isArray(v)) return v.map((x) => texts(x as Py, change));
  if (v instanceof PyDict) return new PyDict([...v].map(([k, x]): [Py, Py] => [texts(k, change), texts(x, change)]));
  return v;
}
