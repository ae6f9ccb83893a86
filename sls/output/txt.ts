import { pformat } from '../pprint.ts';
import { splitLines } from '../text-layout.ts';
import { PyDict, str } from '../values.ts';
import type { Outputter } from './contract.ts';

/** `minion: line` for each line of a text, `minion: value` for anything else. */
export default {
  output(data) {
    if (!(data instanceof PyDict)) return `${typeof data === 'string' ? data : pformat(data)}\n`;
    let out = '';
    for (const [key, value] of data)
      for (const line of typeof value === 'string' ? splitLines(value) : [str(value)]) out += `${str(key)}: ${line}\n`;
    return out;
  },
} satisfies Outputter;
