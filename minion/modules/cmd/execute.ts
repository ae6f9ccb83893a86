/** The one way from a `cmd.*` call to a process: arguments checked and completed as the reference does, then run, then reported. */
import { accessSync, closeSync, constants, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { type ErrorCode, SaltError } from '../../../bus/errors.ts';
import { LEVELS, type Level } from '../../../bus/log.ts';
import { type Py, PyDict, PyFloat } from '../../../bus/values.ts';
import { fnmatch } from '../../../sls/fnmatch.ts';
import type { Args } from '../../../sls/signature.ts';
import { iterate, repr, str, truth } from '../../../sls/values.ts';
import { type Account, accountOf, expandUser, groupIds, groupOf } from '../../process/accounts.ts';
import { osErrorText } from '../../process/os-error.ts';
import { type Command, runDetached, runToEnd } from '../../process/run.ts';
import { shellSplit } from '../../process/shell-words.ts';
import { isExecutable, which } from '../../process/which.ts';
import type { ModuleCtx } from '../contract.ts';
import { decodeOutput, pyRstrip } from './decode.ts';
import { childEnv, givenEnv } from './environment.ts';
import { runInTerminal } from './terminal.ts';

/** The answer of `cmd.run_all`. */
export interface RunResult {
  pid: Py;
  retcode: Py;
  stdout: string;
  stderr: string;
  /** It hit its time limit: the job's return code stays as it was. */
  timedOut?: true;
}

/** What the calling function adds to the arguments it was given. */
export interface Mode {
  readonly pythonShell?: Py;
  /** Both streams in one, as `cmd.run` answers them. */
  readonly merge?: boolean;
  readonly background?: boolean;
  readonly quiet?: boolean;
}

/** Name of the program of a command line, for logs: never its arguments, which may hold secrets. */
export function nameOf(cmd: Py): string {
  const first = Array.isArray(cmd) ? str((cmd[0] as Py) ?? '') : str(cmd).trim().split(/\s+/)[0];
  if (!first) throw new SaltError('IndexError', 'list index out of range');
  return first.trim();
}

/** The level at which output is logged; undefined for `quiet`. */
export function outputLevel(level: Py, ctx: ModuleCtx): Level | undefined {
  const name = typeof level === 'string' ? level.toLowerCase() : '';
  if (name === 'quiet') return undefined;
  if (Object.hasOwn(LEVELS, name)) return name as Level;
  ctx.log.error(
    `Invalid output_loglevel '${str(level)}'. Valid levels are: ${Object.keys(LEVELS).sort().reverse().join(', ')}. Falling back to 'info'.`,
  );
  return 'info';
}

/** `python_shell` left open means yes for a call by a person and no for one from a template, a state or another module. */
export function shellDefault(value: Py, kwargs: PyDict | undefined, ctx: ModuleCtx): Py {
  if (value !== null && value !== undefined) return value;
  if (kwargs && truth(kwargs.get('__pub_jid') ?? '')) return true;
  return ctx.opts.get('cmd_safe') === false ? true : null;
}

function permitted(cmd: Py, ctx: ModuleCtx): boolean {
  const text = Array.isArray(cmd) ? cmd.map((c) => str(c as Py)).join(' ') : str(cmd);
  const patterns = (key: string): string[] => {
    const v = ctx.salt.has('config.get') ? ctx.salt.call('config.get', [key, []]) : (ctx.opts.get(key) ?? []);
    return truth(v) ? [...iterate(v)].map((p) => str(p)) : [];
  };
  if (patterns('cmd_blacklist_glob').some((p) => fnmatch(text, p))) return false;
  const allowed = patterns('cmd_whitelist_glob');
  return !allowed.length || allowed.some((p) => fnmatch(text, p));
}

/** Words of `a,b` or of a list. */
function words(v: Py): Py[] {
  return Array.isArray(v)
    ? v
    : str(v)
        .split(',')
        .map((x) => x.trim());
}

function rendered(text: Py, template: Py, ctx: ModuleCtx): Py {
  if (typeof text !== 'string') return text;
  return ctx.salt.call('slsutil.renderer', [], { string: text, default_renderer: template });
}

const TEMPLATE_ENGINES = new Set(['cheetah', 'genshi', 'jinja', 'mako', 'py', 'wempy']);

function checkShell(shell: string, ctx: ModuleCtx): void {
  if (!existsSync('/etc/shells')) return;
  const listed = readFileSync('/etc/shells', 'utf8').split('\n');
  if (!listed.includes(shell))
    ctx.log.warning(
      `Attempt to run a shell command with what may be an invalid shell! Check to ensure that the shell <${shell}> is valid for this user.`,
    );
}

function workingFolder(cwd: Py, runas: string | undefined): string {
  if (truth(cwd)) return str(cwd);
  const home = expandUser(`~${runas ?? ''}`);
  try {
    accessSync(home, constants.R_OK);
    return statSync(home).isDirectory() ? home : '/';
  } catch {
    return '/';
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function maskOf(umask: Py): number | undefined {
  if (umask === null) return undefined;
  const text = str(umask).replace(/^0+/, '');
  if (text === '') throw new SaltError('CommandExecutionError', 'Zero umask is not allowed.');
  if (!/^[0-7]+$/.test(text)) throw new SaltError('CommandExecutionError', `Invalid umask: '${str(umask)}'`);
  return Number.parseInt(text, 8);
}

/** Finds the program a word names in the PATH the child will see, or says why the system would not start it. */
function programOf(word: string, env: Readonly<Record<string, string>>): { path: string } | { errno: string } {
  if (word === '') return { errno: 'ENOENT' };
  const candidates = word.includes('/')
    ? [word]
    : (env['PATH'] ?? '/bin:/usr/bin').split(':').map((f) => join(f || '.', word));
  let errno = 'ENOENT';
  for (const path of candidates) {
    if (isExecutable(path)) return isProgram(path) ? { path } : { errno: 'ENOEXEC' };
    if (existsSync(path)) errno = 'EACCES';
  }
  return { errno };
}

/** Whether the kernel itself would start the file: a binary or a script with an interpreter line. */
function isProgram(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return true; // executable but unreadable: a binary
  }
  try {
    const head = Buffer.alloc(4);
    const n = readSync(fd, head, 0, 4, 0);
    const script = head[0] === 0x23 && head[1] === 0x21;
    return script || (n === 4 && head.readUInt32BE(0) === 0x7f454c46) || existsSync('/proc/sys/fs/binfmt_misc/status');
  } finally {
    closeSync(fd);
  }
}

/** A command as error texts show it: a list as Python prints it, text as it is. */
const shown = (cmd: Py): string => str(cmd);

function contextText(
  cwd: string,
  shell: boolean,
  m: Mode,
  o: { timeout: Py; bg: boolean; raw: Py | undefined; exe: string },
): string {
  const d = new PyDict();
  d.set('cwd', cwd);
  d.set('shell', shell);
  d.set('stdout', m.background ? null : -1);
  d.set('stderr', m.background ? null : m.merge ? -2 : -1);
  d.set('with_communicate', !m.background);
  d.set('timeout', o.timeout);
  d.set('bg', o.bg);
  if (o.raw !== undefined) d.set('stdin_raw_newlines', o.raw);
  if (shell) d.set('executable', o.exe);
  d.set('close_fds', true);
  return repr(d);
}

/**
 * How to become another user with all its groups: by ourselves when its own group is all it has, else through `setpriv`, which
 * replaces itself by the program.
 */
function asUser(
  a: Account,
  gid: number | undefined,
  file: string,
  args: string[],
): Pick<Command, 'file' | 'args' | 'uid' | 'gid' | 'argv0'> {
  const own = process.getuid?.() === a.uid && gid === undefined;
  if (own) return { file, args };
  const main = gid ?? a.gid;
  const groups = groupIds(a);
  const setpriv = groups.length > 1 ? which('setpriv') : undefined;
  if (!setpriv) return { file, args, uid: a.uid, gid: main };
  return {
    file: setpriv,
    argv0: setpriv,
    args: [`--reuid=${a.uid}`, `--regid=${main}`, `--groups=${groups.join(',')}`, '--', file, ...args],
  };
}

/** Runs a command as the arguments of a `cmd.*` function say and sets the job's return code. Throws SaltError with the reference's texts. */
export function execute(a: Args, mode: Mode, ctx: ModuleCtx): RunResult {
  const kwargs = a['kwargs'] instanceof PyDict ? a['kwargs'] : undefined;
  const shell = typeof a['shell'] === 'string' ? a['shell'] : '';
  if (a['output_loglevel'] !== 'quiet' && shell) checkShell(shell, ctx);
  const level = outputLevel(a['output_loglevel'] ?? 'debug', ctx);
  const runas = (a['runas'] ?? ctx.context.get('runas') ?? null) as Py;
  const user = runas === null ? undefined : str(runas);
  let cwd = workingFolder(a['cwd'] ?? null, user);
  const bg = mode.background === true || truth(a['bg'] ?? false);
  const ignoreRetcode = bg || truth(a['ignore_retcode'] ?? false);
  if (shell && !isExecutable(shell))
    throw new SaltError('CommandExecutionError', `The shell ${shell} is not available`);

  let cmd = a['cmd'] as Py;
  if (truth(a['template'] ?? null)) {
    const template = str(a['template'] as Py);
    if (!TEMPLATE_ENGINES.has(template))
      throw new SaltError(
        'CommandExecutionError',
        `Attempted to render file paths with unavailable engine ${template}`,
      );
    cmd = rendered(cmd, template, ctx);
    cwd = str(rendered(cwd, template, ctx));
  }
  if (kwargs?.has('__pub_jid') && !permitted(cmd, ctx))
    throw new SaltError('CommandExecutionError', `The shell command "${str(cmd)}" is not permitted`);

  const given = givenEnv(a['env'] ?? null, ctx.log);
  if (level !== undefined) {
    const q = Array.isArray(cmd) ? '' : "'";
    const as = `${user ? `as user '${user}' ` : ''}${truth(a['group'] ?? null) ? `in group '${str(a['group'] as Py)}' ` : ''}`;
    const end = bg ? '. Executing command in the background, no output will be logged.' : '';
    ctx.log.info(`Executing command ${q}${nameOf(cmd)}${q} ${as}in directory '${cwd}'${end}`);
  } else nameOf(cmd);

  const account = user === undefined ? undefined : accountOf(user);
  if (user !== undefined && !account) throw new SaltError('CommandExecutionError', `User '${user}' is not available`);
  const group = truth(a['group'] ?? null) ? groupOf(str(a['group'] as Py)) : undefined;
  if (truth(a['group'] ?? null) && !group)
    throw new SaltError('CommandExecutionError', `Group '${str(a['group'] as Py)}' is not available`);
  if ((account || group) && process.getuid?.() !== 0 && account?.uid !== process.getuid?.())
    throw new SaltError('CommandExecutionError', `Cannot run as another user or group without being root`);

  const env = childEnv(given, {
    clean: truth(a['clean_env'] ?? false),
    prependPath: truth(a['prepend_path'] ?? null) ? str(a['prepend_path'] as Py) : undefined,
    resetLocale: a['reset_system_locale'] !== false,
    account,
    shell,
    log: ctx.log,
  });
  const umask = maskOf(a['umask'] ?? null);
  if (!isAbsolute(cwd) || !isFolder(cwd))
    throw new SaltError('CommandExecutionError', `Specified cwd '${cwd}' either not absolute or does not exist`);

  const pythonShell = truth(mode.pythonShell ?? false);
  if (!pythonShell && typeof cmd === 'string' && a['shell'] !== null) cmd = shellSplit(cmd);
  const goodCodes = goodRetcodes(a['success_retcodes'] ?? null);
  const goodOut = a['success_stdout'] == null ? [] : words(a['success_stdout']).map((x) => str(x));
  const goodErr = a['success_stderr'] == null ? [] : words(a['success_stderr']).map((x) => str(x));
  const timeout = timeLimit(a['timeout'] ?? null);

  const argv = Array.isArray(cmd)
    ? cmd.map((w) => str(w as Py))
    : cmd instanceof PyDict
      ? [...cmd.keys()].map((k) => str(k))
      : [str(cmd)];
  const exe = shell || '/bin/sh';
  const [word, args] = pythonShell ? [exe, ['-c', ...argv]] : [argv[0] ?? '', argv.slice(1)];
  const program = programOf(word, env);
  const refuse = (errno: string): never => {
    const raw = kwargs?.get('stdin_raw_newlines');
    const text = contextText(
      cwd,
      pythonShell,
      { ...mode, background: mode.background === true },
      { timeout: a['timeout'] ?? null, bg, raw, exe },
    );
    const what = level === undefined ? 'REDACTED' : shown(Array.isArray(cmd) ? argv : cmd);
    throw new SaltError(
      'CommandExecutionError',
      `Unable to run command '${what}' with the context '${text}', reason: ${osErrorText(errno, word)}`,
    );
  };
  if ('errno' in program) return refuse(program.errno);

  let stdin: Buffer | undefined;
  if (a['stdin'] != null && !bg) {
    const text = str(a['stdin']);
    stdin = Buffer.from(truth(kwargs?.get('stdin_raw_newlines') ?? false) ? text : text.replaceAll('\\n', '\n'));
  }
  const identity = account ?? (group ? accountOf(process.getuid?.() ?? 0) : undefined);
  const command: Command = {
    argv0: word,
    ...(identity ? asUser(identity, group?.gid, program.path, args) : { file: program.path, args }),
    cwd,
    env,
    ...(stdin === undefined ? {} : { stdin }),
    ...(mode.merge ? { merge: true } : {}),
    ...(timeout === undefined ? {} : { timeout: timeout * 1000 }),
    ...(umask === undefined ? {} : { umask }),
  };

  const ret: RunResult = { pid: null, retcode: null, stdout: '', stderr: '' };
  if (bg) {
    const pid = runDetached(command).pid;
    if (pid === undefined) return refuse('EAGAIN');
    ret.pid = pid;
  } else {
    const r = truth(a['use_vt'] ?? false) ? runInTerminal(command, argv, exe) : runToEnd(command);
    if (r.error) return refuse(r.error.code ?? 'EIO');
    ret.pid = r.pid;
    if (r.timedOut) {
      ret.stdout = `${shown(Array.isArray(cmd) ? argv : cmd)} : Timed out after ${str(a['timeout'] as Py)} seconds`;
      return { stdout: ret.stdout, stderr: '', retcode: 1, pid: r.pid, timedOut: true };
    }
    const encoding = a['output_encoding'] == null ? undefined : str(a['output_encoding']);
    const strip = a['rstrip'] !== false ? pyRstrip : (t: string): string => t;
    const text = (bytes: Buffer, name: 'stdout' | 'stderr'): string => {
      const d = decodeOutput(bytes, encoding);
      if (d.replaced && level !== undefined)
        ctx.log.error(
          `Failed to decode ${name} from command ${nameOf(cmd)}, non-decodable characters have been replaced`,
        );
      return strip(d.text);
    };
    ret.stdout = text(r.stdout, 'stdout');
    ret.stderr = text(r.stderr, 'stderr');
    ret.retcode = goodCodes.includes(r.code) ? 0 : r.code;
    if (goodOut.some((t) => ret.stdout.includes(t)) || goodErr.some((t) => ret.stderr.includes(t))) ret.retcode = 0;
  }
  ctx.context.set('retcode', ignoreRetcode ? 0 : ret.retcode);
  if (level !== undefined) report(ret, cmd, level, ignoreRetcode, ctx);
  return ret;
}

function goodRetcodes(v: Py): number[] {
  if (v === null) return [0];
  return words(v).map((x) => {
    const n =
      typeof x === 'boolean'
        ? Number(x)
        : x instanceof PyFloat
          ? x.v
          : Number(typeof x === 'string' && x.trim() !== '' ? x : typeof x === 'number' ? x : Number.NaN);
    if (Number.isNaN(n) || (typeof x === 'string' && !/^\s*[-+]?\d+\s*$/.test(x)))
      throw new SaltError('SaltInvocationError', 'success_retcodes must be a list of integers');
    return Math.trunc(n);
  });
}

/** Seconds, undefined for none. */
function timeLimit(v: Py): number | undefined {
  if (!truth(v)) return undefined;
  if (typeof v === 'number') return v;
  if (v instanceof PyFloat) return v.v;
  if (v === true) return 1;
  throw new SaltError('TimedProcTimeoutError' satisfies ErrorCode, `Error: timeout ${str(v)} must be a number`);
}

function report(ret: RunResult, cmd: Py, level: Level, ignore: boolean, ctx: ModuleCtx): void {
  let at = level;
  if (!ignore && ret.retcode !== 0) {
    if (LEVELS[at] < LEVELS.error) at = 'error';
    ctx.log.error(`Command '${nameOf(cmd)}' failed with return code: ${str(ret.retcode)}`);
  }
  const say = (text: string): void => logAt(ctx, at, text);
  if (ret.stdout) say(`stdout: ${ret.stdout}`);
  if (ret.stderr) say(`stderr: ${ret.stderr}`);
  if (truth(ret.retcode)) say(`retcode: ${str(ret.retcode)}`);
}

/** Logs at a level chosen by the operator. */
export function logAt(ctx: ModuleCtx, level: Level, text: string): void {
  if (level === 'critical' || level === 'error' || level === 'warning' || level === 'info' || level === 'debug')
    ctx.log[level](text);
  else if (level === 'profile') ctx.log.debug(text);
  else ctx.log.trace(text);
}
