/** The shell of commands: the daemon's own, as in the environment it was started in (Salt's DEFAULT_SHELL). */
export const DEFAULT_SHELL = process.env['SHELL'] || '/bin/sh';

const tail = 'success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs';
const head = `shell='${DEFAULT_SHELL}', python_shell=None, env=None, clean_env=False, template=None`;
const logs = "output_encoding=None, output_loglevel='debug', log_callback=None";
const late = 'timeout=None, reset_system_locale=True, ignore_retcode=False, saltenv=None, use_vt=False';
const who = 'cmd, cwd=None, stdin=None, runas=None, group=None';

/** Signatures of the `cmd` functions, which share most of their long argument lists. */
export const SIG = {
  run: `run(${who}, ${head}, rstrip=True, umask=None, ${logs}, hide_output=False, ${late}, redirect_stderr=True, bg=False, password=None, encoded_cmd=False, raise_err=False, prepend_path=None, ${tail})`,
  shell: `shell(${who}, shell='${DEFAULT_SHELL}', env=None, clean_env=False, template=None, rstrip=True, umask=None, ${logs}, hide_output=False, ${late}, bg=False, password=None, prepend_path=None, ${tail})`,
  run_stdout: `run_stdout(${who}, ${head}, rstrip=True, umask=None, ${logs}, hide_output=False, ${late}, password=None, prepend_path=None, ${tail})`,
  run_stderr: `run_stderr(${who}, ${head}, rstrip=True, umask=None, ${logs}, hide_output=False, ${late}, password=None, prepend_path=None, ${tail})`,
  run_all: `run_all(${who}, ${head}, rstrip=True, umask=None, ${logs}, hide_output=False, ${late}, redirect_stderr=False, password=None, encoded_cmd=False, prepend_path=None, ${tail})`,
  retcode: `retcode(${who}, ${head}, umask=None, ${logs}, ${late}, password=None, ${tail})`,
  run_bg: `run_bg(cmd, cwd=None, runas=None, group=None, ${head}, umask=None, timeout=None, ${logs}, reset_system_locale=True, ignore_retcode=False, saltenv=None, password=None, prepend_path=None, ${tail})`,
  script: `script(source, args=None, cwd=None, stdin=None, runas=None, group=None, shell='${DEFAULT_SHELL}', python_shell=None, env=None, template=None, umask=None, ${logs}, hide_output=False, timeout=None, reset_system_locale=True, saltenv=None, use_vt=False, bg=False, password=None, ${tail})`,
  script_retcode: `script_retcode(source, args=None, cwd=None, stdin=None, runas=None, group=None, shell='${DEFAULT_SHELL}', python_shell=None, env=None, template='jinja', umask=None, timeout=None, reset_system_locale=True, saltenv=None, ${logs}, use_vt=False, password=None, ${tail})`,
  run_chroot: `run_chroot(root, ${who}, shell='${DEFAULT_SHELL}', python_shell=True, binds=None, env=None, clean_env=False, template=None, rstrip=True, umask=None, output_encoding=None, output_loglevel='quiet', log_callback=None, hide_output=False, ${late}, bg=False, ${tail})`,
  powershell: `powershell(cmd, cwd=None, stdin=None, runas=None, shell='powershell', env=None, clean_env=False, template=None, rstrip=True, umask=None, output_encoding=None, output_loglevel='debug', hide_output=False, ${late}, password=None, depth=None, encode_cmd=False, ${tail})`,
  powershell_all: `powershell_all(cmd, cwd=None, stdin=None, runas=None, shell='powershell', env=None, clean_env=False, template=None, rstrip=True, umask=None, output_encoding=None, output_loglevel='debug', quiet=False, ${late}, password=None, depth=None, encode_cmd=False, force_list=False, ${tail})`,
} as const;
