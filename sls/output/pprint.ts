import { pformat } from '../pprint.ts';
import type { Outputter } from './contract.ts';

/** The value as Python's pprint lays it out; `output_indent` is the indent of a level. */
export default {
  output(data, { opts }) {
    const indent = opts.has('output_indent') ? opts.num('output_indent') : -1;
    return pformat(data, indent >= 0 ? { indent } : {});
  },
} satisfies Outputter;
