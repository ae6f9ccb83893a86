import { spawnSync } from 'node:child_process';
import { type Py, PyDict } from '../../../bus/values.ts';
import { osErrorText } from '../../process/os-error.ts';
import { which } from '../../process/which.ts';

/** How each shell or interpreter tells its version: where it stands in the output, and the command. */
const ASK: Record<string, [RegExp, string, ...string[]]> = {
  bash: [/version (\d\S*)/i, 'bash', '--version'],
  zsh: [/^zsh (\d\S*)/i, 'zsh', '--version'],
  tcsh: [/^tcsh (\d\S*)/i, 'tcsh', '--version'],
  cmd: [/Version ([\d.]+)/i, 'cmd.exe', '/C', 'ver'],
  powershell: [/PSVersion\s+(\d\S*)/i, 'powershell', '-NonInteractive', '$PSVersionTable'],
  perl: [/^(\d\S*)/i, 'perl', '-e', 'printf "%vd\n", $^V;'],
  python: [/^Python (\d\S*)/i, 'python', '-V'],
  ruby: [/^ruby (\d\S*)/i, 'ruby', '-v'],
  php: [/^PHP (\d\S*)/i, 'php', '-v'],
};

/** Version and path of a shell or script language. */
export function shellInfo(shell: string): PyDict {
  const ask = Object.hasOwn(ASK, shell) ? ASK[shell] : undefined;
  if (!ask)
    return new PyDict<Py>([
      ['error', `Salt does not know how to get the version number for ${shell}`],
      ['installed', null],
    ]);
  const [pattern, program, ...args] = ask;
  const r = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000 });
  const failed = (reason: string): PyDict =>
    new PyDict<Py>([
      ['error', `Unable to run command '${[program, ...args].join(' ')}' Reason: ${reason}`],
      ['installed', false],
    ]);
  const errno = (r.error as NodeJS.ErrnoException | undefined)?.code;
  if (errno === 'ETIMEDOUT') return failed('Timed out.');
  if (errno) return failed(osErrorText(errno, program));
  const out = `${r.stdout}${r.stderr}`;
  const ret = new PyDict<Py>([
    ['installed', false],
    ['path', which(program) ?? null],
  ]);
  const raw = pattern.exec(out)?.[1];
  if (raw !== undefined) {
    ret.set('version_raw', raw);
    const numbers = /^\d[\d.]*/.exec(raw)?.[0].split('.').slice(0, 3);
    if (numbers) {
      if (numbers.length === 1) numbers.push('0');
      ret.set('installed', true);
      ret.set('version', numbers.join('.'));
    }
  } else ret.set('installed', null);
  if (!ret.has('version')) {
    ret.set('error', `The version regex pattern for shell ${shell}, could not find the version string`);
    ret.set('stdout', out);
  }
  return ret;
}
