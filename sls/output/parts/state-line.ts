import type { Opts } from '../../../bus/opts.ts';
import { formatTemplate } from '../../render/jinja/format.ts';
import { eq, type Py, type PyDict, str, truth } from '../../values.ts';
import { item } from './access.ts';
import type { Colors } from './colors.ts';

/** One state on one line: the terse forms of `state_output`, in columns or by a template of the operator's (`state_tabular`). */
export function terseLine(color: string, parts: readonly string[], ret: PyDict, colors: Colors, opts: Opts): string {
  const result = item(ret, 'result');
  const changed = truth(item(ret, 'changes'));
  const outcome =
    eq(result, false) && result !== 0 ? 'Failed' : result === null ? 'Differs' : changed ? 'Changed' : 'Clean';
  const tabular = opts.get('state_tabular') ?? false;
  const [name, state, fun] = [parts[2] ?? '', parts[0]!, parts.at(-1)!];
  if (typeof tabular === 'string') {
    const fields: Py[] = [color, name, state, fun, outcome, colors.ENDC, ret];
    return formatTemplate(tabular, { field: fieldOf(fields) });
  }
  const timed = opts.flag('state_output_profile') && ret.has('start_time');
  const columns = tabular === true;
  let line = '';
  const warnings = ret.get('warnings');
  if (warnings !== undefined)
    line += `${colors.LIGHT_RED}Warnings:\n${(warnings as string[]).join('\n')}${colors.ENDC}${columns ? '\n' : ''}`;
  if (columns) {
    line += color;
    if (timed) line += `${str(item(ret, 'start_time'))} [${str(item(ret, 'duration')).padStart(7)} ms] `;
    return `${line}${state.padStart(10)}.${fun.padEnd(10)} ${outcome.padEnd(7)}   Name: ${name}${colors.ENDC}`;
  }
  line += ` ${color} Name: ${name} - Function: ${state}.${fun} - Result: ${outcome}`;
  if (timed) line += ` - Started: ${str(item(ret, 'start_time'))} - Duration: ${str(item(ret, 'duration'))} ms`;
  return line + colors.ENDC;
}

/** Reads `{4}`, `{6[duration]}` and, counting up, `{}`. */
function fieldOf(fields: readonly Py[]): (name: string) => Py {
  let next = 0;
  return (name) => {
    const m = /^(\d*)((?:\[[^\]]*\])*)$/.exec(name);
    let v: Py | undefined = m ? fields[m[1] === '' ? next++ : Number(m[1])] : undefined;
    for (const key of (m?.[2] ?? '').split(/[[\]]+/).filter(Boolean)) v = item(v ?? null, key);
    return v === undefined ? '' : v;
  };
}
