import { SaltError } from '../../bus/errors.ts';
import { dumpJson } from '../json.ts';
import { isInt, type Py, repr } from '../values.ts';
import type { Outputter } from './contract.ts';

/** JSON, indented by four unless `output_indent` says otherwise: a number, None or a negative one for a single line, `pretty`. */
export default {
  output(data, { opts }) {
    const wanted = opts.has('output_indent') ? opts.get('output_indent') : 4;
    const pretty = wanted === 'pretty';
    const indent = pretty
      ? 4
      : typeof wanted === 'string'
        ? wanted
        : isInt(wanted ?? null, true)
          ? Number(wanted)
          : null;
    try {
      return dumpJson(data, {
        indent: typeof indent === 'number' && indent < 0 ? null : indent,
        sortKeys: pretty,
        ensureAscii: false,
        fallback: (v: Py) => repr(v),
      });
    } catch (e) {
      if (e instanceof SaltError && e.code === 'TypeError') return '{}';
      throw e;
    }
  },
} satisfies Outputter;
