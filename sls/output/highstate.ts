import { SaltError } from '../../bus/errors.ts';
import { pformat } from '../pprint.ts';
import { pyRegex } from '../regex.ts';
import { splitLines, trim, trimEnd, trimStart, wrapText } from '../text-layout.ts';
import { compare, isInt, length, numberOf, type Py, PyDict, parseFloatText, str, truth, typeName } from '../values.ts';
import type { OutputCtx, Outputter } from './contract.ts';
import nested from './nested.ts';
import { entriesOf, item } from './parts/access.ts';
import { type Colors, colorsFor, stripEscapes } from './parts/colors.ts';
import { compressIds } from './parts/compress.ts';
import { terseLine } from './parts/state-line.ts';
import { summaryLines, type Tally } from './parts/state-summary.ts';

/** Columns that changes and further lines of a comment are moved in. */
const BODY = 14;
/** States whose changes hold the states of another run. */
const RUNS_OF_STATES = ['state.orch', 'state.orchestrate', 'state.sls'];

/**
 * State returns: a block or a line for each state, then the totals, for each minion (options `state_output`, `state_verbose`,
 * `state_tabular` and others). Changes its data: callers hand in a copy.
 */
export default {
  output: (data, ctx) => new Highstate(ctx).show(data, 1),
} satisfies Outputter;

class Highstate {
  private readonly colors: Colors;
  private readonly strip: boolean;

  constructor(private readonly ctx: OutputCtx) {
    this.colors = colorsFor(ctx.opts.get('color'), ctx.opts.get('color_theme'), ctx.log);
    this.strip = ctx.opts.flag('strip_colors', true);
  }

  show(data: Py, level: number): string {
    const states = unwrap(data);
    if (typeof states === 'string') return states;
    if (states === null) return 'None';
    if (!(states instanceof PyDict))
      throw new SaltError('AttributeError', `'${typeName(states)}' object has no attribute 'keys'`);
    const keys = [...states.keys()].map((k) => {
      if (typeof k !== 'string')
        throw new SaltError('AttributeError', `'${typeName(k)}' object has no attribute 'endswith'`);
      return k;
    });
    if (states.has('retcode') && keys.filter((k) => k.endsWith('_master')).length === 1) states.delete('retcode');
    const texts = [...this.compressed(states)].map(([host, held]) => this.host(str(host), held, level).text);
    if (!texts.length)
      this.ctx.log?.error(`Data passed to highstate outputter is not a valid highstate return: ${str(states)}`);
    return texts.join('\n');
  }

  private compressed(states: PyDict): PyDict {
    if (!this.ctx.opts.flag('state_compress_ids')) return states;
    try {
      return compressIds(states);
    } catch (e) {
      if (!(e instanceof SaltError)) throw e;
      this.ctx.log?.warning('Unable to compress state output by ID! Returning output normally.');
      return states;
    }
  }

  private host(host: string, data: Py, level: number): { text: string; changed: boolean } {
    const c = this.colors;
    const lines: string[] = [];
    let color = c.GREEN;
    let changed = false;
    if (isInt(data, true) || typeof data === 'string') {
      // A function's answer, not a state's: it always counts as a change.
      changed = true;
      for (const line of typeof data === 'string' ? splitLines(data) : [str(data)])
        lines.push(`${color}    ${line}${c.ENDC}`);
      color = c.CYAN;
    } else if (Array.isArray(data)) {
      color = c.LIGHT_RED;
      lines.push(`    ${color}Data failed to compile:${c.ENDC}`);
      for (const problem of data as Py[])
        lines.push(`${color}----------\n    ${this.strip ? stripEscapes(str(problem)) : str(problem)}${c.ENDC}`);
    } else if (data instanceof PyDict) {
      const states = new States(host, this, this.ctx, c, level);
      lines.push(...states.lines(data));
      color = states.color;
      changed = states.tally.changed > 0;
    }
    const name = this.strip ? stripEscapes(host) : host;
    return { text: [`${color}${name}:${c.ENDC}`, ...lines].join('\n'), changed };
  }

  /** The text of a state's changes, and whether there are any. */
  changes(changes: Py): { changed: boolean; text: string } {
    if (!truth(changes)) return { changed: false, text: '' };
    if (!(changes instanceof PyDict)) return { changed: true, text: `Invalid Changes data: ${str(changes)}` };
    const inner = changes.get('ret') ?? null;
    if (inner === null || changes.get('out') !== 'highstate')
      return {
        changed: true,
        text: `\n${trimEnd(nested.output(changes, { opts: this.ctx.opts, nestedIndent: BODY }))}`,
      };
    let text = '';
    let changed = false;
    for (const [host, held] of entriesOf(inner)) {
      const shown = this.host(str(host), held, 1);
      text += `\n${splitLines(shown.text)
        .map((l) => ' '.repeat(BODY) + l)
        .join('\n')}`;
      changed ||= shown.changed;
    }
    return { changed, text };
  }
}

/** `v.get(key)`: None where it is missing, SaltError AttributeError for anything but a dict. */
function attributeGet(v: Py, key: string): Py {
  if (!(v instanceof PyDict)) throw new SaltError('AttributeError', `'${typeName(v)}' object has no attribute 'get'`);
  return v.get(key) ?? null;
}

/** Takes the states out of what job look-ups and the orchestrate runner wrap around them. */
function unwrap(data: Py): Py {
  let v = data;
  if (v instanceof PyDict && v.has('return')) v = v.get('return')!;
  if (v instanceof PyDict && v.has('data')) v = v.get('data')!;
  if (v instanceof PyDict && v.size === 1) {
    const only = [...v.values()][0]!;
    if (only instanceof PyDict && only.has('jid') && only.has('fun')) {
      const ret = only.get('return') ?? new PyDict();
      if (!(ret instanceof PyDict))
        throw new SaltError('AttributeError', `'${typeName(ret)}' object has no attribute 'get'`);
      return ret.get('data') ?? v;
    }
  }
  return v;
}

/** The states of one minion. */
class States {
  color: string;
  readonly tally: Tally = { counts: new PyDict<number>(), changed: 0, durations: [], parallel: [] };
  private readonly out: string[] = [];
  private readonly form: string;

  constructor(
    private readonly host: string,
    private readonly owner: Highstate,
    private readonly ctx: OutputCtx,
    private readonly c: Colors,
    private readonly level: number,
  ) {
    this.color = c.GREEN;
    this.form = ctx.opts.str('state_output', 'full').toLowerCase();
  }

  lines(data: PyDict): string[] {
    const states: { tag: string; ret: PyDict; order: Py }[] = [];
    for (const [tag, info] of data) {
      if (!(info instanceof PyDict)) continue;
      if (tag !== 'changes' && info.size && !info.has('__run_num__'))
        this.out.unshift(
          'The State execution failed to record the order in which all states were executed. The state return missing data is:',
          pformat(info),
        );
      if (info.has('result')) states.push({ tag: str(tag), ret: info, order: info.get('__run_num__') ?? 0 });
    }
    states.sort((a, b) => compare(a.order, b.order));
    for (const { tag, ret } of states) this.state(tag, ret);
    return [...this.out, ...summaryLines(this.host, this.tally, this.c, this.ctx.opts)];
  }

  private count(key: Py, n: number): void {
    this.tally.counts.set(key, (this.tally.counts.get(key) ?? 0) + n);
  }

  private state(tag: string, ret: PyDict): void {
    const { opts } = this.ctx;
    const parts = tag.split('_|-');
    const result = item(ret, 'result');
    const rolled = this.rolledUp(tag, parts);
    this.count(result, rolled);
    this.duration(ret);
    const { changed, text } = this.changesOf(ret, rolled);
    if (truth(result) && !changed && (opts.flag('state_output_diff') || !opts.flag('state_verbose'))) return;
    let color = changed ? this.c.CYAN : this.c.GREEN;
    if (result === false || result === null) this.color = color = result === false ? this.c.RED : this.c.LIGHT_YELLOW;
    if (this.form.endsWith('_id')) parts[2] = parts[1] ?? '';
    const verdict = this.shortForm(result, changed);
    if (verdict === 'leave out') return;
    if (verdict === 'terse') this.out.push(terseLine(color, parts, ret, this.c, opts));
    else this.block(color, parts, ret, text);
  }

  /** How many states a compressed one stands for. */
  private rolledUp(tag: string, parts: readonly string[]): number {
    if (!this.ctx.opts.flag('state_compress_ids') || !tag.includes('_|-state_compressed_')) return 1;
    return Number(
      pyRegex('\\((\\d+)\\)$')
        .search(parts[1] ?? '')
        ?.group(1) ?? 1,
    );
  }

  private duration(ret: PyDict): void {
    const given = ret.get('duration') ?? 0;
    const list = ret.has('__parallel__') ? this.tally.parallel : this.tally.durations;
    const n =
      typeof given === 'string' ? (parseFloatText(given) ?? parseFloatText(given.split(' ms')[0]!)) : numberOf(given);
    if (n !== undefined) list.push(n);
    else if (typeof given === 'string') this.ctx.log?.error(`Cannot parse a float from duration ${given}`);
    else
      throw new SaltError('TypeError', `float() argument must be a string or a real number, not '${typeName(given)}'`);
  }

  private changesOf(ret: PyDict, rolled: number): { changed: boolean; text: string } {
    const changes = item(ret, 'changes');
    if (RUNS_OF_STATES.includes(ret.get('name') as string)) {
      this.tally.changed++;
      const pad = ' '.repeat(BODY * this.level);
      const text = `\n${this.owner.show(changes, this.level + 1)}`;
      return {
        changed: true,
        text: text
          .split('\n')
          .map((l) => pad + l)
          .join('\n'),
      };
    }
    const shown = this.owner.changes(changes);
    if (shown.changed) {
      const byName = rolled > 1 ? attributeGet(changes, 'compressed changes') : null;
      this.tally.changed += (byName !== null && truth(byName) && length(byName)) || 1;
    }
    return shown;
  }

  private shortForm(result: Py, changed: boolean): 'full' | 'terse' | 'leave out' {
    if (this.form.startsWith('filter')) {
      const listed = (option: string, word: string): boolean => this.listOf(option, word).includes(str(result));
      if (listed('state_output_terse', 'terse')) return 'terse';
      return listed('state_output_exclude', 'exclude') ? 'leave out' : 'full';
    }
    const terse =
      this.form.startsWith('terse') ||
      (this.form.startsWith('mixed') && result !== false) ||
      (this.form.startsWith('changes') && truth(result) && !changed);
    return terse ? 'terse' : 'full';
  }

  /** Results named by an option, or by a keyword argument of the job (`exclude=True,`). */
  private listOf(option: string, word: string): Py[] {
    const { opts } = this.ctx;
    const kwargs = opts.list('arg').findLast((a): a is PyDict => a instanceof PyDict && a.has('__kwarg__'));
    const value = kwargs?.get(word) ?? opts.get(option) ?? [];
    return typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [];
  }

  private block(color: string, parts: readonly string[], ret: PyDict, changes: string): void {
    const { c } = this;
    const [state, id, name, fun] = parts;
    if (id === undefined || name === undefined || fun === undefined)
      throw new SaltError('KeyError', 'a state tag has four parts');
    const push = (line: string): void => void this.out.push(`    ${color}${line}${c.ENDC}`);
    this.out.push(`${color}----------${c.ENDC}`);
    push(`      ID: ${id}`);
    push(`Function: ${state}.${fun}`);
    if (id !== name) push(`    Name: ${name}`);
    push(`  Result: ${str(item(ret, 'result'))}`);
    const timed = this.ctx.opts.flag('state_output_profile') && ret.has('start_time');
    push(` Comment: ${this.comment(ret)}`);
    for (const key of ['start_time', 'duration']) if (!ret.has(key)) ret.set(key, '');
    const duration = item(ret, 'duration');
    if (duration !== '') ret.set('duration', `${str(duration)} ms`);
    if (timed) {
      push(` Started: ${str(item(ret, 'start_time'))}`);
      push(`Duration: ${str(item(ret, 'duration'))}`);
    }
    this.out.push(`${color}     Changes:   ${changes}${c.ENDC}`);
    const warnings = ret.get('warnings');
    if (warnings === undefined) return;
    this.count('warnings', 1);
    const text = trimStart(wrapText((warnings as string[]).join('\n'), 80, ' '.repeat(BODY)).join('\n'));
    this.out.push(`   ${c.LIGHT_RED} Warnings: ${text}${c.ENDC}`);
  }

  private comment(ret: PyDict): string {
    const given = item(ret, 'comment');
    if (typeof given !== 'string') ret.set('comment', str(given));
    let comment = trim(str(given)).replaceAll('\n', `\n${' '.repeat(BODY)}`);
    const data = ret.get('data');
    if (Array.isArray(data)) for (const x of data as Py[]) comment += ` ${str(x)}`;
    else if (data instanceof PyDict) for (const [k, v] of data) comment += `\n\t\t${str(k)}: ${str(v)}`;
    else if (data !== undefined) comment += ` ${str(data)}`;
    return comment;
  }
}
