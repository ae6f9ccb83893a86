import { SaltError } from '../../bus/errors.ts';
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import { trimEnd } from '../text-layout.ts';
import { deepCopy, type Py, strOf } from '../values.ts';
import type { Outputter } from './contract.ts';
import highstate from './highstate.ts';
import json from './json.ts';
import key from './key.ts';
import nested from './nested.ts';
import noReturn from './no_return.ts';
import { colorOf } from './parts/colors.ts';
import pprint from './pprint.ts';
import raw from './raw.ts';
import table from './table.ts';
import txt from './txt.ts';
import yaml from './yaml.ts';

/** Outputters by the name that `--out` takes. */
export const OUTPUTTERS: Readonly<Record<string, Outputter>> = {
  highstate,
  json,
  key,
  nested,
  no_return: noReturn,
  pprint,
  raw,
  table,
  txt,
  yaml,
};

/** What {@link display} is told besides the data. */
export interface DisplayOptions {
  /** Exit code of the return shown. */
  retcode?: number;
  nestedIndent?: number;
  log?: Log;
  /** Further outputters, by name: operators' own. */
  more?: Readonly<Record<string, Outputter>>;
}

/**
 * The text that Salt prints for data, without the final line end; '' means that nothing is printed. Option `output` (from `--out`)
 * goes before `outputter`, which is what the return asked for. An unknown name falls back to `nested`, and so does an outputter
 * that cannot show the data. Colours follow `force_color`, `no_color`, `color`, and without these whether standard output is a terminal.
 */
export function display(
  data: Py,
  outputter: string | null | undefined,
  opts: Opts,
  options: DisplayOptions = {},
): string {
  const name = chosenName(outputter, opts);
  const known = { ...OUTPUTTERS, ...options.more };
  let chosen = Object.hasOwn(known, name) ? known[name]! : undefined;
  if (!chosen) {
    if (name !== 'grains') options.log?.error(`Invalid outputter ${name} specified, fall back to nested`);
    chosen = nested;
  }
  const ctx = { opts: opts.with({ color: colorOf(opts) }), ...options };
  const copy = deepCopy(data);
  for (const attempt of [chosen, nested]) {
    try {
      return trimEnd(textOf(attempt.output(copy, ctx)));
    } catch (e) {
      if (!(e instanceof SaltError) || !FALLS_BACK.has(e.code)) throw e;
      options.log?.debug(`${e.code}: ${e.message}`);
    }
  }
  return trimEnd(raw.output(copy));
}

const FALLS_BACK: ReadonlySet<string> = new Set(['KeyError', 'AttributeError', 'TypeError', 'IndexError']);

function textOf(shown: Py): string {
  const text = strOf(shown);
  if (text === undefined) throw new SaltError('AttributeError', 'an outputter answers text');
  return text;
}

function chosenName(outputter: string | null | undefined, opts: Opts): string {
  const wanted = opts.str('output');
  let name = opts.has('output') && wanted !== 'highstate' ? wanted : (outputter ?? '');
  if (!name && opts.flag('static')) name = wanted || (opts.str('fun').split('.')[0] === 'state' ? 'highstate' : '');
  return name === 'text' ? 'txt' : name || 'nested';
}

/** {@link display} without escape sequences (Salt's `out.string_format`). */
export function displayPlain(data: Py, outputter: string | null | undefined, opts: Opts): string {
  return display(data, outputter, opts).replace(/\x1b[^m]*m/g, '');
}
