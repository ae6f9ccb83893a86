import { str } from '../values.ts';
import type { Outputter } from './contract.ts';

/** The value as Python prints it. */
export default {
  output: (data) => str(data),
} satisfies Outputter;
