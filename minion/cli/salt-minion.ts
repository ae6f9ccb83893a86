// The daemon's command line: options, user, pid file, signals.
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { consoleSink, Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import { BROADCAST_TOPIC, topicOf, ZmqPublishClient, ZmqRequestClient } from '../../bus/transport/zeromq.ts';
import type { Py } from '../../bus/values.ts';
import { SALT_CODENAME, SALT_VERSION } from '../../bus/version.ts';
import { loadConfig } from '../../sls/config.ts';
import { becomeUser } from '../become-user.ts';
import { SALT_MINION } from '../cli-options.ts';
import type { Sockets } from '../connection.ts';
import { Minion } from '../minion.ts';
import { openLog } from '../open-log.ts';
import { helpText, parseWords, UsageError } from '../option-parser.ts';

const USAGE = 'salt-minion [options]';

function sockets(opts: Opts): Sockets {
  const keepalive = {
    enabled: opts.flag('tcp_keepalive', true),
    idle: opts.num('tcp_keepalive_idle', 300),
    count: opts.num('tcp_keepalive_cnt', -1),
    interval: opts.num('tcp_keepalive_intvl', -1),
  };
  return {
    requests: (host, port) => new ZmqRequestClient({ host, port, keepalive }),
    publishes: (host, port) =>
      new ZmqPublishClient({
        host,
        port,
        keepalive,
        reconnect: {
          base: opts.num('recon_default', 1000),
          max: opts.num('recon_max', 10_000),
          randomize: opts.flag('recon_randomize', true),
        },
        ...(opts.flag('zmq_filtering') ? { topics: [BROADCAST_TOPIC, topicOf(opts.str('id'))] } : {}),
      }),
  };
}

/** Goes on without the terminal; the first process ends. */
function background(words: readonly string[]): number {
  const rest = words.filter((w) => w !== '-d' && w !== '--daemon');
  spawn(process.execPath, [...process.execArgv, process.argv[1] as string, ...rest], {
    detached: true,
    stdio: 'ignore',
    argv0: 'salt-minion',
  }).unref();
  return 0;
}

async function main(words: readonly string[]): Promise<number> {
  const { options } = parseWords(words, SALT_MINION);
  if (options.has('version')) {
    process.stdout.write(`salt-minion ${SALT_VERSION} (${SALT_CODENAME})\n`);
    return 0;
  }
  if (options.has('help')) {
    process.stdout.write(
      helpText(
        'salt-minion',
        USAGE,
        'Takes orders from a Salt master and carries them out on this machine.',
        SALT_MINION,
      ),
    );
    return 0;
  }
  const overrides: Record<string, Py> = {};
  for (const key of ['user', 'pidfile', 'log_level', 'log_file', 'log_level_logfile']) {
    const v = options.get(key);
    if (v !== undefined) overrides[key] = v as Py;
  }
  const dir = options.get('config_dir');
  const opts = loadConfig('minion', {
    ...(typeof dir === 'string' ? { configDir: dir } : {}),
    overrides,
    log: new Log('salt.config', consoleSink()),
    program: 'salt-minion',
  });
  if (options.has('daemon')) return background(words);
  becomeUser(opts);
  const log = openLog(opts, 'salt.minion');
  const pidfile = opts.str('pidfile');
  if (pidfile)
    try {
      writeFileSync(pidfile, `${process.pid}\n`, { mode: 0o644 });
    } catch (e) {
      log.warning(`The pid file ${pidfile} cannot be written: ${messageOf(e)}`);
    }
  const minion = new Minion({ opts, log, sockets: sockets(opts) });
  const stop = (signal: string): void => {
    log.warning(`Minion received a ${signal}. Exiting`);
    void minion.stop();
  };
  process.once('SIGTERM', () => stop('SIGTERM'));
  process.once('SIGINT', () => stop('SIGINT'));
  try {
    return await minion.run();
  } finally {
    if (pidfile) rmSync(pidfile, { force: true });
  }
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (e: unknown) => {
    if (e instanceof UsageError) process.stderr.write(`Usage: ${USAGE}\n\nsalt-minion: error: ${e.message}\n`);
    else if (e instanceof SaltError) process.stderr.write(`[CRITICAL] ${e.message}\n`);
    else process.stderr.write(`[CRITICAL] ${e instanceof Error ? e.stack : String(e)}\n`);
    process.exit(e instanceof SaltError ? e.exitCode : 1);
  },
);
