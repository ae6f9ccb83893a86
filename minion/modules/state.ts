/** States: what this minion's files say it should be like. */
import { applyFunctions } from '../state/apply.ts';
import { showFunctions } from '../state/show.ts';
import { switchFunctions } from '../state/switches.ts';
import type { ExecutionModule } from './contract.ts';

/** Functions whose answer is shown as a run. */
const RUNS = [
  ...['sls', 'sls_id', 'pkg', 'top', 'single', 'highstate', 'template', 'template_str', 'apply', 'test', 'request'],
  ...['check_request', 'run_request'],
];

export default {
  doc: 'Compiles, shows and applies states.',
  functions: { ...applyFunctions, ...switchFunctions, ...showFunctions },
  outputters: Object.fromEntries(RUNS.map((f) => [f, 'highstate'])),
} satisfies ExecutionModule;
