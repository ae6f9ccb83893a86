import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { eventLogDir } from '../../bus/event-log.ts';
import { type ListenOutput, type ListenRequest, listen, parseSince } from '../../bus/eventlisten.ts';
import { consoleSink, Log } from '../../bus/log.ts';
import { masterEventSockets, minionEventSockets } from '../../bus/transport/ipc.ts';
import { toPy } from '../../bus/values.ts';
import { SALT_CODENAME, SALT_VERSION } from '../../bus/version.ts';
import { loadConfig } from '../../sls/config.ts';
import { dumpJson } from '../../sls/json.ts';
import { str } from '../../sls/values.ts';

const HELP = `Usage: eventlisten [options] [TAG GLOB ...]
       eventlisten [options] -n minion [ID] [TAG GLOB ...]

Shows the events of a master's or minion's bus: tag, tab, data as JSON.

Options:
  -n, --node NODE        whose bus: master (default) or minion
  -i, --id ID            the minion's id (default: the first word after the options, or the configured id)
  -s, --sock-dir DIR     folder of the sockets (default: from the configuration)
  -c, --config-dir DIR   folder of the configuration
      --since TIME|ID    begin in the past: a position in the log, a job id, an age (15m, 2h, 1d) or a time
      --follow           after the past, go on with what happens
      --cause ID         the chain of causes and effects around an event, as a tree
      --json             one JSON object a line, with id, origin and cause where known
      --count N          end after N events
      --no-color         never print colours
      --version          print the version
  -h, --help             print this
`;

function request(argv: string[]): ListenRequest | undefined {
  const { values: v, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      node: { type: 'string', short: 'n', default: 'master' },
      id: { type: 'string', short: 'i' },
      'sock-dir': { type: 'string', short: 's' },
      'config-dir': { type: 'string', short: 'c' },
      since: { type: 'string' },
      follow: { type: 'boolean', default: false },
      cause: { type: 'string' },
      json: { type: 'boolean', default: false },
      count: { type: 'string' },
      'no-color': { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (v.help || v.version) {
    process.stdout.write(v.help ? HELP : `eventlisten ${SALT_VERSION} (${SALT_CODENAME})\n`);
    return undefined;
  }
  if (v.node !== 'master' && v.node !== 'minion')
    throw new SaltError('SaltInvocationError', `-n takes master or minion, not ${v.node}`);
  const number = (name: string, text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    if (!/^\d{1,15}$/.test(text)) throw new SaltError('SaltInvocationError', `--${name} takes a number, not ${text}`);
    return Number(text);
  };
  const log = new Log('eventlisten', consoleSink());
  const opts = loadConfig(v.node === 'master' ? 'client' : 'call', {
    log,
    cacheId: false,
    ...(v['config-dir'] ? { configDir: v['config-dir'] } : {}),
  });
  const sockDir = v['sock-dir'] ?? opts.str('sock_dir');
  const globs = [...positionals];
  const id = v.node === 'minion' ? (v.id ?? globs.shift() ?? opts.str('id')) : '';
  const tcp = opts.str('ipc_mode') === 'tcp' && !v['sock-dir'];
  const port = (side: string): { host: string; port: number } => ({
    host: '127.0.0.1',
    port: opts.num(`tcp_${v.node === 'master' ? 'master_' : ''}${side}_port`),
  });
  const cause = number('cause', v.cause);
  const count = number('count', v.count);
  return {
    globs,
    follow: v.follow,
    json: v.json,
    colour: process.stdout.isTTY === true && !v['no-color'],
    sockets: tcp
      ? { pub: port('pub'), pull: port('pull') }
      : v.node === 'master'
        ? masterEventSockets(sockDir)
        : minionEventSockets(sockDir, id, opts.str('hash_type', 'sha256')),
    ...(v.node === 'master' ? { control: join(sockDir, 'master_control.ipc') } : {}),
    logDir: eventLogDir(opts),
    ...(v.since !== undefined ? { since: parseSince(v.since, Date.now()) } : {}),
    ...(cause !== undefined ? { cause } : {}),
    ...(count !== undefined ? { count } : {}),
  };
}

async function main(): Promise<number> {
  const stop = new AbortController();
  process.on('SIGINT', () => stop.abort());
  process.on('SIGTERM', () => stop.abort());
  process.stdout.on('error', (e: NodeJS.ErrnoException) => {
    // A reader that has seen enough (head, less) is no failure.
    if (e.code === 'EPIPE') process.exit(0);
    throw e;
  });
  const what = request(process.argv.slice(2));
  if (!what) return 0;
  const out: ListenOutput = {
    signal: stop.signal,
    warn: (text) => void process.stderr.write(`${text}\n`),
    line: (text) => {
      if (process.stdout.write(`${text}\n`)) return;
      return new Promise((done) => process.stdout.once('drain', () => done()));
    },
    dump: (data, pretty) =>
      dumpJson(toPy(data), { ensureAscii: false, fallback: str, ...(pretty ? { indent: 4, sortKeys: true } : {}) }),
  };
  return listen(what, out);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (e: unknown) => {
    process.stderr.write(`eventlisten: ${messageOf(e)}\n`);
    process.exitCode = e instanceof SaltError ? e.exitCode : e instanceof TypeError ? 64 : 1;
  },
);
