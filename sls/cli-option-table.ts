import type { Py } from '../bus/values.ts';

/** One option of a command line. */
export interface OptionSpec {
  /** All spellings, short ones first: `['-t', '--timeout']`. */
  readonly flags: readonly string[];
  /** Key of the option among the parsed ones and in the configuration; empty for those that end the program at once. */
  readonly dest: string;
  readonly action: 'store' | 'on' | 'off' | 'append' | 'help' | 'version';
  readonly type: 'text' | 'int' | 'float' | 'choice';
  readonly initial: Py;
  readonly choices: readonly string[];
  readonly metavar: string;
  readonly help: string;
}
/** Options under a heading of the help text. */
export interface OptionGroup {
  readonly title: string;
  readonly about: string;
  readonly options: readonly OptionSpec[];
}
/** Everything that one command line takes. */
export interface Program {
  /** What follows the program's name in its usage line. */
  readonly usage: string;
  readonly about: string;
  readonly options: readonly OptionSpec[];
  readonly groups: readonly OptionGroup[];
}
/** Programs that {@link PROGRAMS} describes. */
export type ProgramName = 'salt' | 'salt-key' | 'salt-run' | 'salt-call' | 'salt-master' | 'salt-minion' | 'salt-cp';

type Extra = Partial<Omit<OptionSpec, 'flags' | 'help'>>;

function option(flags: string, help: string, extra: Extra = {}): OptionSpec {
  const spellings = flags.split('/');
  const long = spellings.find((f) => f.startsWith('--'))!;
  const dest = extra.dest ?? long.slice(2).replaceAll('-', '_');
  return {
    flags: spellings,
    dest,
    action: 'store',
    type: 'text',
    initial: null,
    choices: [],
    metavar: dest.toUpperCase(),
    help,
    ...extra,
  };
}
const flag = (flags: string, help: string, extra: Extra = {}): OptionSpec =>
  option(flags, help, { action: 'on', initial: false, ...extra });

const LEVELS = ['all', 'debug', 'error', 'critical', 'garbage', 'info', 'profile', 'quiet', 'trace', 'warning'];
const FILE_LEVELS = ['all', 'garbage', 'trace', 'debug', 'profile', 'info', 'warning', 'error', 'critical', 'quiet'];

const START = [
  option('--version', "Print the program's version and exit.", { action: 'version', dest: '' }),
  flag('-V/--versions-report', 'Print the versions of the program and what it runs on, and exit.', { initial: null }),
  option('-h/--help', 'Print this help and exit.', { action: 'help', dest: '' }),
  option('--saltfile', 'A Saltfile to read options from. Default: one in the working directory, then in ~/.salt.'),
  option('-c/--config-dir', "Folder of the configuration files. Default: '/etc/salt'.", { initial: '/etc/salt' }),
];
const USER = option('-u/--user', 'User to run as.');
const HARD_CRASH = flag('--hard-crash', 'Do not catch errors: show them as they are raised.');
const NO_PARSE = option('--no-parse', 'Names of keyword arguments that stay text, separated by commas.', {
  initial: '',
  metavar: 'argname1,argname2,...',
});
const ARGS_STDIN = flag('--args-stdin', 'Read further options and arguments from standard input, one a line.');
const timeout = (seconds: number): OptionSpec =>
  option('-t/--timeout', `Seconds to wait for an answer. Default: ${seconds}.`, { type: 'int', initial: seconds });
const DOC = (what: string): OptionSpec => flag('-d/--doc/--documentation', what, { dest: 'doc' });
const EXECUTORS = [
  option('--module-executors', "Executors to run functions with, instead of the minion's.", {
    metavar: 'EXECUTOR_LIST',
  }),
  option('--executor-opts', 'Options for the executors.', { metavar: 'EXECUTOR_OPTS' }),
];
const DIFF = flag('--output-diff', 'Show only states that changed something or failed.', { dest: 'state_output_diff' });
const SKIP_GRAINS = flag('--skip-grains', 'Do not gather grains.');

const daemon = (program: string): OptionSpec[] => [
  ...START,
  USER,
  flag('-d/--daemon', `Run ${program} in the background.`),
  option('--pid-file', `File that holds the process id. Default: '/var/run/${program}.pid'.`, {
    dest: 'pidfile',
    initial: `/var/run/${program}.pid`,
  }),
  flag('--disable-keepalive', 'Accepted and without effect: restarting is left to the service manager.'),
];

const logging = (file: string, short = true, fileDest = 'log_file'): OptionGroup => ({
  title: 'Logging Options',
  about: 'These take precedence over what the configuration files say.',
  options: [
    option(
      `${short ? '-l/' : ''}--log-level`,
      `What to log to the console: ${LEVELS.join(', ')}. Default: 'warning'. Levels below info may show secrets.`,
      { type: 'choice', choices: LEVELS },
    ),
    option('--log-file', `Log file. Default: '${file}'.`, { dest: fileDest }),
    option('--log-file-level', "What to log to the file. Default: 'warning'.", {
      dest: 'log_level_logfile',
      type: 'choice',
      choices: FILE_LEVELS,
    }),
  ],
});

const OUTPUT: OptionGroup = {
  title: 'Output Options',
  about: 'How results are shown.',
  options: [
    option(
      '--out/--output',
      "Outputter: 'nested', 'highstate', 'json', 'yaml', 'txt', 'raw', 'pprint', 'table', 'key', 'no_return'.",
      {
        dest: 'output',
      },
    ),
    option(
      '--out-indent/--output-indent',
      'Columns a level is moved in; a negative number for the most compact form.',
      {
        dest: 'output_indent',
        type: 'int',
      },
    ),
    option('--out-file/--output-file', 'Write the results to a file.', { dest: 'output_file' }),
    flag('--out-file-append/--output-file-append', 'Add to that file instead of starting it anew.', {
      dest: 'output_file_append',
    }),
    flag('--no-color/--no-colour', 'Print without colours.', { dest: 'no_color' }),
    flag('--force-color/--force-colour', 'Print with colours even into a pipe or file.', { dest: 'force_color' }),
    option('--state-output/--state_output', "Form of state results: 'full', 'terse', 'mixed', 'changes' or 'filter'.", {
      dest: 'state_output',
    }),
    option('--state-verbose/--state_verbose', 'Whether to show states that changed nothing: True or False.', {
      dest: 'state_verbose',
    }),
  ],
};

const eauth = (short: boolean): OptionGroup => ({
  title: 'External Authentication',
  about: '',
  options: [
    option(`${short ? '-a/' : ''}--auth/--eauth/--external-auth`, 'External authentication system to log in with.', {
      dest: 'eauth',
      initial: '',
    }),
    flag('-T/--make-token', 'Keep a token, so that the next commands need no login.', { dest: 'mktoken' }),
    option('--username', 'User name for external authentication.'),
    option('--password', 'Password for external authentication.'),
  ],
});

const TARGETS = [
  flag('-H/--hosts', 'List the hosts of the roster.', { dest: 'list_hosts' }),
  flag('-E/--pcre', 'The target is a regular expression for minion ids.'),
  flag('-L/--list', 'The target is a list of minion ids, separated by commas.'),
  flag('-G/--grain', 'The target is a grain and a shell pattern: os:Arch*'),
  flag('-P/--grain-pcre', 'The target is a grain and a regular expression.'),
  flag('-N/--nodegroup', "The target is a node group of the master's configuration."),
  flag('-R/--range', 'The target is a range expression.'),
];
const MORE_TARGETS = [
  flag('-C/--compound', "The target joins several: 'G@os:RedHat and web* or E@db.*'"),
  flag('-I/--pillar', 'The target is a pillar key and a shell pattern.', { dest: 'pillar_target' }),
  flag('-J/--pillar-pcre', 'The target is a pillar key and a regular expression.'),
  flag('-S/--ipcidr', 'The target is an IP address or a subnet.'),
];
const DELIMITER: OptionGroup = {
  title: 'Additional Target Options',
  about: '',
  options: [option('--delimiter', "What separates keys in grain and pillar targets. Default: ':'.", { initial: ':' })],
};
const targets = (more: readonly OptionSpec[]): OptionGroup => ({
  title: 'Target Options',
  about: 'How the target is to be read.',
  options: [...TARGETS, ...more],
});
const PROFILING: OptionGroup = {
  title: 'Profiling support',
  about: '',
  options: [
    option('--profiling-path', "Folder for profiles. Default: '/tmp/stats'.", { initial: '/tmp/stats' }),
    flag('--enable-profiling', 'Accepted and without effect: no profiles are written.', { dest: 'profiling_enabled' }),
  ],
};

const SALT: Program = {
  usage: "[options] '<target>' <function> [arguments]",
  about: 'Runs functions on many machines at once and shows what they answer.',
  options: [
    ...START,
    ...EXECUTORS,
    timeout(5),
    ARGS_STDIN,
    HARD_CRASH,
    NO_PARSE,
    flag('-s/--static', 'Show all answers together when the last has come.'),
    flag('-p/--progress', 'Show how many minions have answered.'),
    flag('--failhard', 'End a batch at the first failure.'),
    flag('--async', 'Start the job and do not wait.'),
    option('--subset', 'Run on so many of the minions, chosen at random among those that know the function.', {
      type: 'int',
      initial: 0,
    }),
    flag('-v/--verbose', 'Show the job id and more.'),
    flag('--hide-timeout', 'Accepted and without effect: silent minions are always named.', {
      dest: 'show_timeout',
      action: 'off',
      initial: true,
    }),
    flag('--show-jid', 'Show the job id.'),
    option('-b/--batch/--batch-size', 'Run on so many minions at a time, or on such a percentage of them (10, 25%).', {
      dest: 'batch',
      initial: '',
    }),
    option('--batch-wait', 'Seconds to wait after an answer before the next minion of a batch is started.', {
      type: 'float',
      initial: 0,
    }),
    option('--batch-safe-limit', 'Use batches if at least so many minions are meant.', { type: 'int', initial: 0 }),
    option('--batch-safe-size', 'Size of such batches. Default: 8.', { initial: 8 }),
    option('--return', 'Returners that the answers are to go to as well, separated by commas.', {
      initial: '',
      metavar: 'RETURNER',
    }),
    option('--return_config', 'Alternative configuration of the returner.', { initial: '', metavar: 'RETURNER_CONF' }),
    option('--return_kwargs', 'Options of the returner, laid over its configuration.', { metavar: 'RETURNER_KWARGS' }),
    DOC('Show the documentation of a function, of a module, or of all.'),
    option('--args-separator', "What separates the arguments of several functions. Default: ','.", { initial: ',' }),
    flag('--summary', 'Show how many answered, did not, or failed.', { dest: 'cli_summary' }),
    option('--metadata', 'Data to keep with the job.', { initial: '', metavar: 'METADATA' }),
    flag('--start-event', 'Minions tell by an event when they start the job.'),
    DIFF,
    flag('--config-dump', "Print the master's configuration and exit."),
    flag('--preview-target', 'Show which minions are meant, without running anything.'),
  ],
  groups: [targets(MORE_TARGETS), DELIMITER, eauth(true), OUTPUT, logging('/var/log/salt/master')],
};

const KEY: Program = {
  usage: '[options]',
  about: 'Shows, accepts, rejects and deletes the keys by which the master knows its minions.',
  options: [
    ...START,
    USER,
    HARD_CRASH,
    flag('-q/--quiet', 'Print nothing.'),
    flag('-y/--yes', 'Answer yes to every question.'),
    option('--rotate-aes-key', 'False: keep the session key when keys are deleted or rejected. Default: True.', {
      initial: true,
    }),
    option('--preserve-minions', "True: keep the deleted minions' cached data. Default: False.", { initial: false }),
  ],
  groups: [
    eauth(false),
    OUTPUT,
    {
      title: 'Actions',
      about: '',
      options: [
        option('-l/--list', "List keys: 'acc', 'pre' or 'un', 'rej', 'den' or 'all'.", { initial: '', metavar: 'ARG' }),
        flag('-L/--list-all', 'List all keys.'),
        option('-a/--accept', 'Accept the key of a minion; a shell pattern may mean several.', { initial: '' }),
        flag('-A/--accept-all', 'Accept all waiting keys.'),
        option('-r/--reject', 'Reject the key of a minion; a shell pattern may mean several.', { initial: '' }),
        flag('-R/--reject-all', 'Reject all waiting keys.'),
        flag('--include-all', 'Accept and reject keys of any state.'),
        flag('--include-accepted', 'Reject accepted keys too.'),
        flag('--include-rejected', 'Accept rejected keys too.'),
        flag('--include-denied', 'Accept and reject denied keys too.'),
        option('-p/--print', 'Print the key of a minion.', { initial: '' }),
        flag('-P/--print-all', 'Print all keys.'),
        option('-d/--delete', 'Delete the key of a minion; a shell pattern may mean several.', { initial: '' }),
        flag('-D/--delete-all', 'Delete all keys.'),
        option('-f/--finger', "Print the fingerprint of a minion's key.", { initial: '' }),
        flag(
          '-F/--finger-all',
          "Print all fingerprints. The master's own is the one that minions take as master_finger.",
        ),
      ],
    },
    {
      title: 'Key Generation Options',
      about: '',
      options: [
        option('--gen-keys', 'Make a pair of keys of this name.', { initial: '' }),
        option('--gen-keys-dir', "Folder for the new keys. Default: '.'.", { initial: '.' }),
        option('--keysize', 'Bits of the new key, 2048 or more. Default: 2048.', { type: 'int', initial: 2048 }),
        flag('--gen-signature', "Sign the master's public key, so that minions can check it."),
        option('--priv', 'Private key to sign with.', { initial: '' }),
        option('--signature-path', 'Folder for the signature.', { initial: '' }),
        option('--pub', 'Public key to sign.', { initial: '' }),
        flag('--auto-create', 'Make the signing keys if there are none.'),
      ],
    },
    logging('/var/log/salt/key', false, 'key_logfile'),
  ],
};

const RUN: Program = {
  usage: '[options] <function> [arguments]',
  about: 'Runs runners: functions that work on the master itself.',
  options: [
    ...START,
    timeout(1),
    ARGS_STDIN,
    option('--jid', 'Job id to use.'),
    HARD_CRASH,
    NO_PARSE,
    DOC('Show the documentation of a runner, of a module of them, or of all.'),
    flag('--async', 'Start the runner and do not wait.'),
    SKIP_GRAINS,
  ],
  groups: [
    eauth(true),
    { ...OUTPUT, options: [...OUTPUT.options, flag('--quiet', 'Do not show the result.')] },
    PROFILING,
    logging('/var/log/salt/master'),
  ],
};

const CALL: Program = {
  usage: '[options] <function> [arguments]',
  about: 'Runs functions on this machine.',
  options: [
    ...START,
    option('--proxyid', 'Accepted and without effect: proxy minions are not there.'),
    ...EXECUTORS,
    option('--cachedir', "Cache folder. Default: '/var/cache/salt/'.", { initial: '/var/cache/salt/' }),
    ARGS_STDIN,
    HARD_CRASH,
    NO_PARSE,
    flag('-g/--grains', 'Show the grains.', { dest: 'grains_run' }),
    option('-m/--module-dirs', 'A further folder of modules. May be given several times.', {
      action: 'append',
      initial: [],
    }),
    DOC('Show the documentation of a function, of a module, or of all.'),
    option('--master', 'Master to talk to.', { initial: '' }),
    option('--return', 'Returners that the answer is to go to, separated by commas.', {
      initial: '',
      metavar: 'RETURNER',
    }),
    flag('--local', 'Work without a master.'),
    option('--file-root', 'A folder of states for the base environment.', { action: 'append' }),
    option('--pillar-root', 'A folder of pillar for the base environment.', { action: 'append' }),
    option('--states-dir', 'A folder of state modules.', { action: 'append' }),
    flag('--retcode-passthrough', "Exit with the function's own exit code."),
    flag('--metadata', 'Show what else came with the answer.', { dest: 'print_metadata' }),
    option('--set-metadata', 'Data to keep with the job.', { dest: 'metadata', metavar: 'METADATA' }),
    option('--id', 'Minion id to use.', { initial: '' }),
    SKIP_GRAINS,
    flag('--refresh-grains-cache', 'Gather grains anew.'),
    flag('--no-return-event', 'Do not send the answer to the master.'),
    option('-t/--timeout', 'Seconds to wait for the master. Default: 60.', {
      dest: 'auth_timeout',
      type: 'int',
      initial: 60,
    }),
    DIFF,
    option('--priv', 'User to run as.', { dest: 'user' }),
    flag('-r/--resources', 'Accepted and without effect: resources are not there.', { dest: 'resources_dispatch' }),
    option('--tgt', "Which resources. Default: '*'.", { dest: 'resources_tgt', initial: '*', metavar: 'TGT' }),
    option('--tgt-type', "How that is to be read. Default: 'glob'.", {
      dest: 'resources_tgt_type',
      type: 'choice',
      choices: ['glob', 'list', 'compound', 'grain', 'grain_pcre', 'pcre'],
      initial: 'glob',
      metavar: 'TYPE',
    }),
  ],
  groups: [OUTPUT, PROFILING, logging('/var/log/salt/minion')],
};

const CP: Program = {
  usage: "[options] '<target>' SOURCE DEST",
  about: 'Copies small files from the master to many machines.',
  options: [...START, timeout(5), HARD_CRASH],
  groups: [
    targets([]),
    DELIMITER,
    OUTPUT,
    {
      title: 'File Options',
      about: '',
      options: [
        flag('-C/--chunked', 'Send files in pieces; needed for folders and large files.'),
        flag('-n/--no-compression', 'Do not compress the pieces.', { dest: 'gzip', action: 'off', initial: true }),
      ],
    },
    logging('/var/log/salt/master'),
  ],
};

/** Salt's command lines: options as Salt spells them, help in our words. */
export const PROGRAMS: Readonly<Record<ProgramName, Program>> = {
  salt: SALT,
  'salt-key': KEY,
  'salt-run': RUN,
  'salt-call': CALL,
  'salt-master': {
    usage: '[options]',
    about: 'The master: knows the minions, sends them jobs and keeps what they answer.',
    options: daemon('salt-master'),
    groups: [logging('/var/log/salt/master')],
  },
  'salt-minion': {
    usage: '[options]',
    about: "The minion: does the master's jobs on this machine.",
    options: daemon('salt-minion'),
    groups: [logging('/var/log/salt/minion')],
  },
  'salt-cp': CP,
};
