import { readFileSync } from 'node:fs';
import { messageOf } from '../../../bus/errors.ts';
import type { Log } from '../../../bus/log.ts';
import type { Opts } from '../../../bus/opts.ts';
import { type Py, PyDict, str, truth } from '../../values.ts';
import { loadYaml } from '../../yaml.ts';

const CODES = {
  BLACK: '0;30',
  DARK_GRAY: '0;1;30',
  RED: '0;31',
  LIGHT_RED: '0;1;31',
  GREEN: '0;32',
  LIGHT_GREEN: '0;1;32',
  YELLOW: '0;33',
  LIGHT_YELLOW: '0;1;33',
  BLUE: '0;34',
  LIGHT_BLUE: '0;1;34',
  MAGENTA: '0;35',
  LIGHT_MAGENTA: '0;1;35',
  CYAN: '0;36',
  LIGHT_CYAN: '0;1;36',
  LIGHT_GRAY: '0;37',
  WHITE: '0;1;37',
  DEFAULT_COLOR: '0;39',
  ENDC: '0;0',
} as const;

/** A colour's name in Salt. */
export type ColorName = keyof typeof CODES;
/** Escape sequences by name; all empty when colours are off. */
export type Colors = Readonly<Record<ColorName, string>>;

/**
 * The escape sequences to print with. `use` is the option `color`: false for none, a colour's name for that one everywhere. `theme`
 * (option `color_theme`) is a YAML file of codes by name.
 */
export function colorsFor(use: Py | undefined, theme?: Py, log?: Log): Colors {
  const codes: Record<string, string> = {};
  const on = use !== undefined && truth(use);
  for (const [name, code] of Object.entries(CODES)) codes[name] = on ? `\x1b[${code}m` : '';
  if (on && typeof theme === 'string' && theme) Object.assign(codes, themeCodes(theme, log));
  if (typeof use === 'string' && codes[use] !== undefined)
    for (const name of Object.keys(codes)) if (name !== 'ENDC') codes[name] = codes[use];
  return codes as Colors;
}

/** Whether to print colours: `force_color`, `no_color`, `color` decide in this order, then whether standard output is a terminal. */
export function colorOf(opts: Opts): Py {
  if (opts.flag('force_color')) return true;
  if (opts.flag('no_color')) return false;
  return opts.get('color') ?? process.stdout.isTTY === true;
}

function themeCodes(file: string, log: Log | undefined): Record<string, string> {
  try {
    const read = loadYaml(readFileSync(file, 'utf8'));
    if (read instanceof PyDict) return Object.fromEntries([...read].map(([k, v]) => [str(k), `\x1b[${str(v)}m`]));
    log?.warning(`The theme file ${file} is not a dict`);
  } catch (e) {
    log?.warning(`Failed to read the color theme ${file}: ${messageOf(e)}`);
  }
  return {};
}

/** Makes escape characters of foreign text harmless, so that no minion writes to the operator's terminal. */
export function stripEscapes(text: string): string {
  return text.replaceAll('\x1b', '?');
}
