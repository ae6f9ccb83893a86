/** Commands on the minion's machine. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { SaltError } from '../../bus/errors.ts';
import { LEVELS } from '../../bus/log.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { str, truth } from '../../sls/values.ts';
import { which } from '../process/which.ts';
import { runChroot } from './cmd/chroot.ts';
import { execute, logAt, nameOf, outputLevel, shellDefault } from './cmd/execute.ts';
import { answer, execCode, runScript } from './cmd/scripts.ts';
import { shellInfo } from './cmd/shell-info.ts';
import { SIG } from './cmd/signatures.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const kwargsOf = (a: Args): PyDict | undefined => (a['kwargs'] instanceof PyDict ? a['kwargs'] : undefined);
const given = (a: Args, ctx: ModuleCtx): Py => shellDefault(a['python_shell'] ?? null, kwargsOf(a), ctx);
const hidden = (a: Args): boolean => truth(a['hide_output'] ?? false);

function run(a: Args, pythonShell: Py, ctx: ModuleCtx): string {
  const r = execute(a, { pythonShell, merge: truth(a['redirect_stderr'] ?? true) }, ctx);
  const level = outputLevel(a['output_loglevel'] ?? 'debug', ctx);
  const failed = r.retcode !== 0 && r.retcode !== null && !truth(a['ignore_retcode'] ?? false);
  if (level !== undefined) {
    if (failed) {
      ctx.log.error(`Command '${nameOf(a['cmd'] as Py)}' failed with return code: ${str(r.retcode)}`);
      if (truth(a['raise_err'] ?? false)) throw new SaltError('CommandExecutionError', hidden(a) ? '' : r.stdout);
    }
    logAt(ctx, failed && LEVELS[level] < LEVELS.error ? 'error' : level, `output: ${r.stdout}`);
  }
  return hidden(a) ? '' : r.stdout;
}

function readShells(): string[] {
  try {
    return readFileSync('/etc/shells', 'utf8')
      .split('\n')
      .map((l) => l.trim())
      .filter((l) => l && !l.startsWith('#'));
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw e;
  }
}

function echoToTty(device: string, echo: string): PyDict {
  const path = device.startsWith('tty')
    ? `/dev/${device}`
    : device.startsWith('pts')
      ? `/dev/${device.replace('pts', 'pts/')}`
      : '';
  if (!path) return new PyDict([['Error', 'The specified device is not a valid TTY']]);
  try {
    const fd = openSync(path, 'w');
    try {
      writeSync(fd, echo);
    } finally {
      closeSync(fd);
    }
    return new PyDict([['Success', `Message was successfully echoed to ${path}`]]);
  } catch {
    return new PyDict([['Error', `Echoing to ${path} returned error`]]);
  }
}

function powershell(a: Args): never {
  if (a['shell'] !== 'powershell' && a['shell'] !== 'pwsh')
    throw new SaltError(
      'CommandExecutionError',
      "Must specify a valid powershell binary. Must be 'powershell' or 'pwsh'",
    );
  throw new SaltError('CommandExecutionError', 'PowerShell commands are available on Windows minions only');
}

export default {
  doc: 'Runs commands and scripts on the minion and answers what they print.',
  functions: {
    run: fn(
      SIG.run,
      `Runs a command and answers its output, standard error included.

cmd is a line of text or a list of words. python_shell=True hands it to the shell, so that pipes and variables work; it is the
default for commands from the command line and off for calls from templates and states. cwd defaults to the home folder of the
user. runas and group choose who runs it, env adds variables (clean_env=True leaves only those), umask, stdin and timeout (seconds)
do what they say. output_loglevel=quiet keeps command and output out of the log, hide_output=True out of the answer.
success_retcodes, success_stdout and success_stderr name further signs of success; ignore_retcode=True never fails the job.
bg=True does not wait.

CLI Example:

.. code-block:: bash

    salt '*' cmd.run "ls -l | awk '/foo/{print \\\\$2}'"
    salt '*' cmd.run "grep f" stdin='one\\ntwo\\nfour\\n'`,
      (a, ctx: ModuleCtx) => run(a, given(a, ctx), ctx),
    ),
    shell: fn(
      SIG.shell,
      `Runs a command line with the shell, whoever calls. Takes the arguments of cmd.run.

CLI Example:

.. code-block:: bash

    salt '*' cmd.shell 'echo $HOME | tr a-z A-Z'`,
      (a, ctx: ModuleCtx) => {
        const kwargs = kwargsOf(a) ?? new PyDict();
        const wanted = kwargs.get('python_shell') ?? true;
        return run(
          { ...a, redirect_stderr: kwargs.get('redirect_stderr') ?? true, raise_err: kwargs.get('raise_err') ?? false },
          wanted,
          ctx,
        );
      },
    ),
    run_stdout: fn(
      SIG.run_stdout,
      `Runs a command and answers only its standard output.

CLI Example:

.. code-block:: bash

    salt '*' cmd.run_stdout "df -h /"`,
      (a, ctx: ModuleCtx) => {
        const r = execute(a, { pythonShell: given(a, ctx) }, ctx);
        return hidden(a) ? '' : r.stdout;
      },
    ),
    run_stderr: fn(
      SIG.run_stderr,
      `Runs a command and answers only its standard error.

CLI Example:

.. code-block:: bash

    salt '*' cmd.run_stderr "ls /no/such/folder"`,
      (a, ctx: ModuleCtx) => {
        const r = execute(a, { pythonShell: given(a, ctx) }, ctx);
        return hidden(a) ? '' : r.stderr;
      },
    ),
    run_all: fn(
      SIG.run_all,
      `Runs a command and answers a map of pid, retcode, stdout and stderr. redirect_stderr=True puts both streams into stdout.

CLI Example:

.. code-block:: bash

    salt '*' cmd.run_all "systemctl is-active cron"`,
      (a, ctx: ModuleCtx) => {
        const r = execute(a, { pythonShell: given(a, ctx), merge: truth(a['redirect_stderr'] ?? false) }, ctx);
        const out = hidden(a) ? '' : r.stdout;
        const err = hidden(a) ? '' : r.stderr;
        if (!r.timedOut) return answer(r.pid, r.retcode, out, err);
        return new PyDict<Py>([
          ['stdout', out],
          ['stderr', err],
          ['retcode', r.retcode],
          ['pid', r.pid],
        ]);
      },
    ),
    retcode: fn(
      SIG.retcode,
      `Runs a command and answers its return code.

CLI Example:

.. code-block:: bash

    salt '*' cmd.retcode "test -e /etc/motd"`,
      (a, ctx: ModuleCtx) => execute(a, { pythonShell: given(a, ctx), merge: true }, ctx).retcode,
    ),
    run_bg: fn(
      SIG.run_bg,
      `Starts a command, does not wait for it and answers its process id.

CLI Example:

.. code-block:: bash

    salt '*' cmd.run_bg "updatedb"`,
      (a, ctx: ModuleCtx) =>
        new PyDict([['pid', execute(a, { pythonShell: given(a, ctx), background: true }, ctx).pid]]),
    ),
    script: fn(
      SIG.script,
      `Fetches a script (salt://, http://, https://, ftp:// or a local path), runs it and removes it. args is a line or a list of
arguments; template renders the script first. Answers what cmd.run_all does, with cache_error where the file was not found.

CLI Example:

.. code-block:: bash

    salt '*' cmd.script salt://scripts/check.sh args='--fast "two words"'`,
      (a, ctx: ModuleCtx) => runScript(a, ctx),
    ),
    script_retcode: fn(
      SIG.script_retcode,
      `Runs a script as cmd.script does, rendered with Jinja by default, and answers its return code.

CLI Example:

.. code-block:: bash

    salt '*' cmd.script_retcode salt://scripts/check.sh`,
      (a, ctx: ModuleCtx) => {
        const r = runScript(a, ctx);
        if (!r.has('retcode')) throw new SaltError('KeyError', "'retcode'");
        return r.get('retcode') as Py;
      },
    ),
    which: fn(
      'which(cmd)',
      `Path of a program in the PATH or the system's usual folders, None when it is not there.

CLI Example:

.. code-block:: bash

    salt '*' cmd.which rsync`,
      (a, ctx: ModuleCtx) => {
        if (!truth(a['cmd'] as Py)) {
          ctx.log.error('No executable was passed to be searched by salt.utils.path.which()');
          return null;
        }
        return which(str(a['cmd'] as Py)) ?? null;
      },
    ),
    which_bin: fn(
      'which_bin(cmds)',
      `Path of the first program of a list that is found.

CLI Example:

.. code-block:: bash

    salt '*' cmd.which_bin '[pigz, gzip]'`,
      (a) => {
        const names = typeof a['cmds'] === 'string' ? [a['cmds']] : Array.isArray(a['cmds']) ? a['cmds'] : [];
        for (const n of names) {
          const path = which(str(n as Py));
          if (path !== undefined) return path;
        }
        return null;
      },
    ),
    has_exec: fn(
      'has_exec(cmd)',
      `Whether a program is found.

CLI Example:

.. code-block:: bash

    salt '*' cmd.has_exec rsync`,
      (a) => which(str(a['cmd'] as Py)) !== undefined,
    ),
    exec_code: fn(
      'exec_code(lang, code, cwd=None, args=None, **kwargs)',
      `Runs source text with the interpreter lang and answers its standard output. Further arguments are those of cmd.run_all.

CLI Example:

.. code-block:: bash

    salt '*' cmd.exec_code python3 'import sys; print(sys.argv[1:])' args='[a, b]'`,
      (a, ctx: ModuleCtx) => execCode(a, ctx).get('stdout') as Py,
    ),
    exec_code_all: fn(
      'exec_code_all(lang, code, cwd=None, args=None, **kwargs)',
      `Runs source text with the interpreter lang and answers a map of pid, retcode, stdout and stderr.

CLI Example:

.. code-block:: bash

    salt '*' cmd.exec_code_all bash 'echo "$@"; exit 3' args=hello`,
      (a, ctx: ModuleCtx) => execCode(a, ctx),
    ),
    tty: fn(
      "tty(device, echo='')",
      `Writes a text to a terminal of the machine.

CLI Example:

.. code-block:: bash

    salt '*' cmd.tty tty1 'Reboot in five minutes'
    salt '*' cmd.tty pts3 'Reboot in five minutes'`,
      (a) => echoToTty(str(a['device'] as Py), str(a['echo'] as Py)),
    ),
    run_chroot: fn(
      SIG.run_chroot,
      `Runs a command inside another root folder. /dev, /proc and /sys are mounted there for the time, and the folders of binds.
runas and group are users of the inner system.

CLI Example:

.. code-block:: bash

    salt '*' cmd.run_chroot /srv/rescue 'apt-get update'`,
      (a, ctx: ModuleCtx) => runChroot(a, ctx),
    ),
    shells: fn(
      'shells()',
      `The login shells the machine lists in /etc/shells.

CLI Example:

.. code-block:: bash

    salt '*' cmd.shells`,
      () => readShells(),
    ),
    shell_info: fn(
      'shell_info(shell, list_modules=False)',
      `Version and path of a shell or script language: bash, zsh, tcsh, perl, python, ruby, php.

CLI Example:

.. code-block:: bash

    salt '*' cmd.shell_info bash`,
      (a) => shellInfo(str(a['shell'] as Py)),
    ),
    powershell: fn(
      SIG.powershell,
      `Runs a PowerShell command and answers its objects. Windows minions only.

CLI Example:

.. code-block:: bash

    salt '*' cmd.powershell 'Get-Service'`,
      powershell,
    ),
    powershell_all: fn(
      SIG.powershell_all,
      `Runs a PowerShell command and answers pid, retcode, stderr and result. Windows minions only.

CLI Example:

.. code-block:: bash

    salt '*' cmd.powershell_all 'Get-Service'`,
      powershell,
    ),
  },
} satisfies ExecutionModule;
