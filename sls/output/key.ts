import { SaltError } from '../../bus/errors.ts';
import { compare, dictGet, type Py, PyDict, repr, str, toList } from '../values.ts';
import type { Outputter } from './contract.ts';
import { type ColorName, colorsFor, stripEscapes } from './parts/colors.ts';

const SECTIONS: Readonly<Record<string, { title: string; head: ColorName; entry: ColorName }>> = {
  minions: { title: 'Accepted', head: 'LIGHT_GREEN', entry: 'GREEN' },
  minions_pre: { title: 'Unaccepted', head: 'LIGHT_RED', entry: 'RED' },
  minions_denied: { title: 'Denied', head: 'LIGHT_MAGENTA', entry: 'MAGENTA' },
  minions_rejected: { title: 'Rejected', head: 'LIGHT_BLUE', entry: 'BLUE' },
  local: { title: 'Local', head: 'LIGHT_MAGENTA', entry: 'MAGENTA' },
};

/** Lists of keys by state, or their fingerprints or texts: what salt-key prints. */
export default {
  output(data, { opts, log }) {
    const colors = colorsFor(opts.get('color'), opts.get('color_theme'), log);
    const strip = opts.flag('strip_colors', true);
    const pad = ' '.repeat(opts.flag('__multi_key') ? 4 : 0);
    if (!(data instanceof PyDict)) throw new SaltError('TypeError', 'keys are shown from a dict');
    const lines: string[] = [];
    for (const [status, held] of [...data].sort((a, b) => compare(a[0], b[0]))) {
      const section = typeof status === 'string' && Object.hasOwn(SECTIONS, status) ? SECTIONS[status] : undefined;
      if (!section) throw new SaltError('KeyError', repr(status));
      lines.push(`${pad}${colors[section.head]}${section.title} Keys:${colors.ENDC}`);
      for (const key of toList(held).sort(compare)) {
        const name = strip ? stripEscapes(str(key)) : str(key);
        if (Array.isArray(held)) lines.push(`${pad}${colors[section.entry]}${name}${colors.ENDC}`);
        if (held instanceof PyDict) {
          const value: Py = dictGet(held, key) ?? null;
          lines.push(`${pad}${colors[section.entry]}${name}:  ${str(value)}${colors.ENDC}`);
        }
      }
    }
    return lines.join('\n');
  },
} satisfies Outputter;
