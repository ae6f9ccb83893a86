/** The options of `salt-minion` and `salt-call`. */
import type { OptionSpec } from './option-parser.ts';

const OUT = 'Output Options';
const LOGGING = 'Logging Options';
const levels = "One of 'all', 'garbage', 'trace', 'debug', 'profile', 'info', 'warning', 'error', 'critical', 'quiet'.";

const common: readonly OptionSpec[] = [
  { names: ['--version'], key: 'version', kind: 'flag', help: "show program's version number and exit" },
  {
    names: ['-V', '--versions-report'],
    key: 'versions_report',
    kind: 'flag',
    help: 'Show the versions of all parts and exit.',
  },
  { names: ['-h', '--help'], key: 'help', kind: 'flag', help: 'show this help message and exit' },
  { names: ['--saltfile'], key: 'saltfile', help: 'Path of a Saltfile with further options.' },
  {
    names: ['-c', '--config-dir'],
    key: 'config_dir',
    help: "Folder of the configuration files. Default: '/etc/salt'.",
  },
];
const logging: readonly OptionSpec[] = [
  { names: ['-l', '--log-level'], key: 'log_level', group: LOGGING, help: `Level of the console's log. ${levels}` },
  { names: ['--log-file'], key: 'log_file', group: LOGGING, help: 'Path of the log file.' },
  {
    names: ['--log-file-level'],
    key: 'log_level_logfile',
    group: LOGGING,
    help: `Level of the log file. ${levels}`,
  },
];

/** Options of `salt-minion`. */
export const SALT_MINION: readonly OptionSpec[] = [
  ...common,
  { names: ['-u', '--user'], key: 'user', help: 'User to run as.' },
  { names: ['-d', '--daemon'], key: 'daemon', kind: 'flag', help: 'Go to the background.' },
  { names: ['--pid-file'], key: 'pidfile', help: 'Path of the file with the process id.' },
  {
    names: ['--disable-keepalive'],
    key: 'disable_keepalive',
    kind: 'flag',
    help: 'Accepted for compatibility: this program never restarts itself.',
  },
  ...logging,
];

/** Options of `salt-call`. */
export const SALT_CALL: readonly OptionSpec[] = [
  ...common,
  { names: ['--proxyid'], key: 'proxyid', help: 'Id of a proxy minion.' },
  {
    names: ['--module-executors'],
    key: 'module_executors',
    metavar: 'EXECUTOR_LIST',
    help: 'Executors instead of the configured ones.',
  },
  { names: ['--executor-opts'], key: 'executor_opts', help: 'Options for executors.' },
  { names: ['--cachedir'], key: 'cachedir', help: 'Cache directory.' },
  {
    names: ['--args-stdin'],
    key: 'args_stdin',
    kind: 'flag',
    help: 'Read further options and arguments from stdin, one a line.',
  },
  {
    names: ['--hard-crash'],
    key: 'hard_crash',
    kind: 'flag',
    help: 'Show the whole error instead of ending gracefully.',
  },
  {
    names: ['--no-parse'],
    key: 'no_parse',
    metavar: 'argname1,argname2,...',
    help: 'Named arguments whose values stay text.',
  },
  { names: ['-g', '--grains'], key: 'grains_run', kind: 'flag', help: "Print this machine's grains." },
  {
    names: ['-m', '--module-dirs'],
    key: 'module_dirs',
    kind: 'append',
    help: 'Further folder with modules; may be given several times.',
  },
  {
    names: ['-d', '--doc', '--documentation'],
    key: 'doc',
    kind: 'flag',
    help: 'Print the help of a function, a module or all.',
  },
  { names: ['--master'], key: 'master', help: 'Master instead of the configured one.' },
  { names: ['--return'], key: 'return', metavar: 'RETURNER', help: 'Returners that get the return, with commas.' },
  { names: ['--local'], key: 'local', kind: 'flag', help: 'Run without a master.' },
  { names: ['--file-root'], key: 'file_root', help: 'Folder of the files of environment base.' },
  { names: ['--pillar-root'], key: 'pillar_root', help: 'Folder of the pillar of environment base.' },
  { names: ['--states-dir'], key: 'states_dir', help: 'Further folder with state modules.' },
  {
    names: ['--retcode-passthrough'],
    key: 'retcode_passthrough',
    kind: 'flag',
    help: "Exit with the function's own return code.",
  },
  { names: ['--metadata'], key: 'print_metadata', kind: 'flag', help: 'Print what else belongs to the return.' },
  { names: ['--set-metadata'], key: 'metadata', help: 'Metadata of the job.' },
  { names: ['--id'], key: 'id', help: 'Minion id instead of the configured one.' },
  { names: ['--skip-grains'], key: 'skip_grains', kind: 'flag', help: 'Do not look for grains.' },
  { names: ['--refresh-grains-cache'], key: 'refresh_grains_cache', kind: 'flag', help: 'Look for the grains anew.' },
  { names: ['--no-return-event'], key: 'no_return_event', kind: 'flag', help: 'Send no return to the master.' },
  {
    names: ['-t', '--timeout'],
    key: 'auth_timeout',
    kind: 'int',
    metavar: 'AUTH_TIMEOUT',
    help: 'Seconds to wait for the master. Default: 60.',
  },
  { names: ['--output-diff'], key: 'output_diff', kind: 'flag', help: 'Report only states with changes.' },
  { names: ['--priv'], key: 'user', metavar: 'USER', help: 'User to run as.' },
  {
    names: ['-r', '--resources'],
    key: 'resources_dispatch',
    kind: 'flag',
    help: 'Also address resources of this minion.',
  },
  { names: ['--tgt'], key: 'resources_tgt', help: 'Target of --resources.' },
  { names: ['--tgt-type'], key: 'resources_tgt_type', help: 'Kind of that target.' },
  { names: ['--out', '--output'], key: 'output', group: OUT, help: 'Outputter for the result.' },
  {
    names: ['--out-indent', '--output-indent'],
    key: 'output_indent',
    kind: 'int',
    group: OUT,
    help: 'Spaces to indent by; negative: none.',
  },
  { names: ['--out-file', '--output-file'], key: 'output_file', group: OUT, help: 'File to write the result to.' },
  {
    names: ['--out-file-append', '--output-file-append'],
    key: 'output_file_append',
    kind: 'flag',
    group: OUT,
    help: 'Append to that file.',
  },
  { names: ['--no-color', '--no-colour'], key: 'no_color', kind: 'flag', group: OUT, help: 'No colours.' },
  {
    names: ['--force-color', '--force-colour'],
    key: 'force_color',
    kind: 'flag',
    group: OUT,
    help: 'Colours in any case.',
  },
  {
    names: ['--state-output', '--state_output'],
    key: 'state_output',
    group: OUT,
    help: "'full', 'terse', 'mixed', 'changes' or 'filter'.",
  },
  {
    names: ['--state-verbose', '--state_verbose'],
    key: 'state_verbose',
    group: OUT,
    help: 'Whether states without changes are shown.',
  },
  { names: ['--profiling-path'], key: 'profiling_path', group: 'Profiling support', help: 'Folder for profiles.' },
  {
    names: ['--enable-profiling'],
    key: 'profiling_enabled',
    kind: 'flag',
    group: 'Profiling support',
    help: 'Accepted for compatibility.',
  },
  ...logging,
];
