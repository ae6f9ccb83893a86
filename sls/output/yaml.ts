import { dumpYaml } from '../yaml.ts';
import type { Outputter } from './contract.ts';

/** YAML in block style; `output_indent` sets the indent, a negative one asks for flow style. */
export default {
  output(data, { opts }) {
    if (!opts.has('output_indent')) return dumpYaml(data, { flowStyle: false });
    const indent = opts.num('output_indent');
    return indent >= 0 ? dumpYaml(data, { flowStyle: false, indent }) : dumpYaml(data, { flowStyle: true, indent: 0 });
  },
} satisfies Outputter;
