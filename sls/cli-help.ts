import { type OptionSpec, PROGRAMS, type ProgramName } from './cli-option-table.ts';
import { wrapText } from './text-layout.ts';

const HELP_COLUMN = 24;

/** The usage line, without a line end. */
export function usageLine(program: ProgramName): string {
  return `Usage: ${program} ${PROGRAMS[program].usage}`;
}

/** What `--help` prints, with the final line end. `columns` is the width of the terminal. */
export function helpText(program: ProgramName, columns = 80): string {
  const { about, options, groups } = PROGRAMS[program];
  const width = Math.max(40, columns - 2);
  const out = [usageLine(program), '', ...wrapText(about, width), '', 'Options:'];
  out.push(...options.flatMap((o) => describe(o, 2, width)));
  for (const g of groups) {
    out.push('', `  ${g.title}:`);
    if (g.about) out.push(...wrapText(g.about, width, '    '), '');
    out.push(...g.options.flatMap((o) => describe(o, 4, width)));
  }
  return `${out.join('\n')}\n`;
}

function describe(o: OptionSpec, indent: number, width: number): string[] {
  const takes = o.action === 'store' || o.action === 'append';
  const names = o.flags.map((f) => (takes ? `${f}${f.startsWith('--') ? '=' : ' '}${o.metavar}` : f));
  const head = ' '.repeat(indent) + names.join(', ');
  const text = wrapText(o.help, width, ' '.repeat(HELP_COLUMN));
  if (head.length > HELP_COLUMN - 2) return [head, ...text];
  return [head.padEnd(HELP_COLUMN) + (text[0] ?? '').trimStart(), ...text.slice(1)];
}
