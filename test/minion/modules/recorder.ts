/** Stands in for `cmd` in tests of modules that would change the machine: keeps what was to be run and answers as told. */
import { type Py, PyDict } from '../../../bus/values.ts';
import type { ExecutionModule, ModuleCtx } from '../../../minion/modules/contract.ts';
import { fn } from '../../../sls/signature.ts';
import { str } from '../../../sls/values.ts';

export interface Recorder {
  readonly module: ExecutionModule;
  /** Every command so far, words joined by blanks, programs without their folder. */
  readonly ran: string[];
}

export interface Reply {
  readonly code?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

export function recorder(reply: (line: string) => Reply = () => ({})): Recorder {
  const ran: string[] = [];
  const run = (cmd: Py): Reply => {
    const words = Array.isArray(cmd) ? cmd.map((w) => str(w as Py)) : str(cmd).split(' ');
    words[0] = (words[0] ?? '').replace(/^.*\//, '');
    const line = words.join(' ');
    ran.push(line);
    return reply(line);
  };
  const sig = '(cmd, python_shell=None, ignore_retcode=False, **kwargs)';
  const f = (name: string, answer: (r: Reply) => Py) =>
    fn(`${name}${sig}`, 'CLI Example:', (a, _ctx: ModuleCtx) => answer(run(a['cmd'] as Py)));
  return {
    ran,
    module: {
      functions: {
        run: f('run', (r) => (r.stdout ?? '') + (r.stderr ?? '')),
        run_stdout: f('run_stdout', (r) => r.stdout ?? ''),
        retcode: f('retcode', (r) => r.code ?? 0),
        run_all: f(
          'run_all',
          (r) =>
            new PyDict<Py>([
              ['pid', 1],
              ['retcode', r.code ?? 0],
              ['stdout', r.stdout ?? ''],
              ['stderr', r.stderr ?? ''],
            ]),
        ),
      },
    },
  };
}
