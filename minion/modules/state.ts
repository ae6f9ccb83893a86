/** States: what this minion's files say it should be like. */
import { showFunctions } from '../state/show.ts';
import type { ExecutionModule } from './contract.ts';

export default {
  doc: 'Compiles, shows and applies states.',
  functions: { ...showFunctions },
  outputters: {},
} satisfies ExecutionModule;
