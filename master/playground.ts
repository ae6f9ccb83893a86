import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** Where a playground keeps its things and which ports it took. */
export interface Playground {
  /** Folder of the configuration: what `-c` of every command wants. */
  readonly config: string;
  readonly sockDir: string;
  readonly ports: { readonly publish: number; readonly ret: number };
  /** Stops master and minion; settles when both are gone. */
  stop(): Promise<void>;
}

const freePort = (): Promise<number> =>
  new Promise((ok, fail) => {
    const s = createServer();
    s.once('error', fail);
    s.listen(0, '127.0.0.1', () => {
      const a = s.address();
      s.close(() => ok(typeof a === 'object' && a ? a.port : 0));
    });
  });

const RULE = `# A reaction is a state file whose "states" are calls. This one answers every event tagged demo/<anything>/hello:
# it calls one function on the minion. \`data\` is what was fired, \`tag\` the tag. What others fired goes through a filter that quotes it.
{% set fired = data.data if data.data is mapping else data %}
greet_{{ tag.split('/')[1] }}:
  local.test.echo:
    - tgt: {{ data.get('id', '*') | yaml_dquote }}
    - args:
      - text: {{ ('hello ' ~ fired.get('who', 'world') ~ ', says the reactor') | yaml_dquote }}
`;

function write(path: string, text: string): void {
  if (!existsSync(path)) writeFileSync(path, text);
}

/** Lays out configuration, a reactor rule and its SLS under a folder; files that exist are the user's own and stay. Ports are written anew. */
export async function layOut(dir: string): Promise<{ config: string; sockDir: string; publish: number; ret: number }> {
  const config = join(dir, 'etc');
  const at = (...p: string[]): string => join(dir, ...p);
  for (const d of ['etc/master.d', 'etc/minion.d', 'srv/salt', 'srv/pillar', 'srv/reactor', 'run', 'log', 'cache'])
    mkdirSync(at(d), { recursive: true, mode: 0o755 });
  const publish = await freePort();
  const ret = await freePort();
  // The path of a unix socket is short by nature: a deep folder puts its sockets elsewhere.
  const sockDir = at('run').length > 60 ? join('/tmp', `brine-${process.getuid?.() ?? 0}-${ret}`) : at('run');
  mkdirSync(sockDir, { recursive: true, mode: 0o700 });
  writeFileSync(
    join(config, 'master.d', '_ports.conf'),
    `interface: 127.0.0.1\npublish_port: ${publish}\nret_port: ${ret}\nsock_dir: ${sockDir}\n`,
  );
  writeFileSync(
    join(config, 'minion.d', '_ports.conf'),
    `master: 127.0.0.1\nmaster_port: ${ret}\npublish_port: ${publish}\nsock_dir: ${sockDir}\n`,
  );
  const common = `pidfile: ${at('run')}`;
  write(
    join(config, 'master'),
    `root_dir: ${dir}
pki_dir: ${at('etc/pki/master')}
cachedir: ${at('cache/master')}
log_file: ${at('log/master')}
${common}/salt-master.pid
auto_accept: True
file_roots:
  base: [${at('srv/salt')}]
pillar_roots:
  base: [${at('srv/pillar')}]
reactor:
  - 'demo/*/hello':
    - ${at('srv/reactor/hello.sls')}
`,
  );
  write(
    join(config, 'minion'),
    `id: demo
root_dir: ${dir}
pki_dir: ${at('etc/pki/minion')}
cachedir: ${at('cache/minion')}
log_file: ${at('log/minion')}
${common}/salt-minion.pid
`,
  );
  write(at('srv/reactor/hello.sls'), RULE);
  return { config, sockDir, publish, ret };
}

const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  'salt-master': ['master/cli/salt-master.js'],
  'salt-minion': ['--max-semi-space-size=1', 'minion/cli/salt-minion.js'],
};

function daemon(dist: string, name: string, config: string, log: string): ChildProcess {
  const fd = openSync(log, 'a', 0o640);
  const [...flags] = PROGRAMS[name] as string[];
  const script = join(dist, flags.pop() as string);
  return spawn(process.execPath, [...flags, script, '-c', config], { stdio: ['ignore', fd, fd], detached: true });
}

/** Starts a master and a minion on free loopback ports with everything under one folder. `dist` is where the programs were built. */
export async function startPlayground(dir: string, dist: string): Promise<Playground> {
  const { config, sockDir, publish, ret } = await layOut(dir);
  const children = ['salt-master', 'salt-minion'].map((n) => daemon(dist, n, config, join(dir, 'log', `${n}.out`)));
  const names = ['salt-master', 'salt-minion'];
  let stopping = false;
  const ended = children.map(
    (c, i) =>
      new Promise<void>((ok) =>
        c.once('exit', (code) => {
          if (!stopping) {
            const out = readFileSync(join(dir, 'log', `${names[i]}.out`), 'utf8')
              .split('\n')
              .slice(-6)
              .join('\n');
            process.stderr.write(`${names[i]} ended (${code}):\n${out}\n`);
          }
          ok();
        }),
      ),
  );
  return {
    config,
    sockDir,
    ports: { publish, ret },
    async stop() {
      stopping = true;
      for (const c of children) if (c.exitCode === null) c.kill('SIGTERM');
      await Promise.all(ended);
    },
  };
}
