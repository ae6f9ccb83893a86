import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { SaltEvent } from '../../bus/program.ts';
import { freePort } from './ports.ts';

/** A daemon of a place: started, stopped and killed by the test that owns the place. */
export interface Daemon {
  readonly name: string;
  readonly pid: number | undefined;
  /** Starts the process; does not wait until it is ready. */
  start(): void;
  /** SIGTERM, then SIGKILL after 10 s; answers the exit code and how long it took in ms. */
  stop(): Promise<{ code: number | null; ms: number }>;
  /** SIGKILL to its process group. */
  kill(): Promise<void>;
  /** What it wrote to stdout, stderr and its log file. */
  log(): string;
}

/** What a command answered. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Wall time in ms. */
  readonly ms: number;
}

/** A master and minions of a test's own, in a folder of their own, on loopback. */
export interface Place {
  readonly root: string;
  readonly sockDir: string;
  readonly ports: { readonly publish: number; readonly ret: number };
  readonly master: Daemon;
  minion(id: string): Daemon;
  /** Folder of the configuration of `master` or of a minion id: what `-c` wants. */
  configDir(who: string): string;
  /** Writes a file below the root, making folders; answers its path. */
  write(path: string, text: string): string;
  /** Runs one of our command lines (`salt`, `salt-run`, `salt-key`, `eventlisten`; `salt-call` with the minion's id as `on`). */
  run(
    program: string,
    args: readonly string[],
    options?: { on?: string; input?: string; timeout?: number },
  ): Promise<Ran>;
  /** The command and arguments that start one of our programs. */
  program(name: string): string[];
  /** A listener on the master's bus. */
  events(): SaltEvent;
  /** Waits until a tag was seen on the master's bus; listens from now. */
  until(tag: string, timeout?: number): Promise<void>;
  /** Stops everything and removes the folder. */
  close(): Promise<void>;
}

/** What a place is made with: lines added to the configurations, and the minions' ids. */
export interface PlaceOptions {
  master?: string;
  minion?: string;
  minions?: readonly string[];
  /** Of one minion only. */
  each?: Readonly<Record<string, string>>;
  /** Options laid over those of the place itself. */
  over?: { readonly master?: Readonly<Record<string, unknown>>; readonly minion?: Readonly<Record<string, unknown>> };
  /** Ports to use; free ones by default. */
  ports?: { readonly publish: number; readonly ret: number };
}

/** Where the programs under test were built. */
export const BUILT = resolve(process.env['BRINE_BUILD'] ?? '.build');

const FOLDER: Readonly<Record<string, string>> = { 'salt-minion': 'minion', 'salt-call': 'minion' };
/** The command and arguments that start one of our programs, as its launcher does. */
export function programOf(name: string): string[] {
  const flags = name === 'salt-minion' ? ['--max-semi-space-size=1'] : [];
  return [process.execPath, ...flags, join(BUILT, FOLDER[name] ?? 'master', 'cli', `${name}.js`)];
}

/** Runs a command to its end; a timeout kills it and answers code null. */
export function runCommand(
  argv: readonly string[],
  options: { input?: string; timeout?: number; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Ran> {
  return new Promise((ok, fail) => {
    const began = performance.now();
    const child = spawn(argv[0] as string, argv.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: '', ...options.env },
      ...(options.cwd ? { cwd: options.cwd } : {}),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (d: string) => {
      stdout += d;
    });
    child.stderr.setEncoding('utf8').on('data', (d: string) => {
      stderr += d;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 60_000);
    child.on('error', fail);
    child.on('close', (code) => {
      clearTimeout(timer);
      ok({ code, stdout, stderr, ms: performance.now() - began });
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

function daemon(name: string, argv: () => string[], out: string, logs: readonly string[]): Daemon {
  let child: ChildProcess | undefined;
  const gone = (c: ChildProcess): Promise<void> =>
    c.exitCode !== null || c.signalCode !== null ? Promise.resolve() : new Promise((ok) => c.once('exit', () => ok()));
  const signal = (c: ChildProcess, s: NodeJS.Signals): void => {
    try {
      if (c.pid) process.kill(s === 'SIGKILL' ? -c.pid : c.pid, s);
    } catch {
      // It ended by itself.
    }
  };
  return {
    name,
    get pid() {
      return child?.pid;
    },
    start() {
      const fd = openSync(out, 'a');
      const [cmd, ...args] = argv() as [string, ...string[]];
      child = spawn(cmd, args, {
        stdio: ['ignore', fd, fd],
        detached: true,
        env: { ...process.env, NODE_EXTRA_CA_CERTS: '' },
      });
    },
    async stop() {
      const c = child;
      const began = performance.now();
      if (!c) return { code: null, ms: 0 };
      signal(c, 'SIGTERM');
      const timer = setTimeout(() => signal(c, 'SIGKILL'), 10_000);
      await gone(c);
      clearTimeout(timer);
      return { code: c.exitCode, ms: performance.now() - began };
    },
    async kill() {
      const c = child;
      if (!c) return;
      signal(c, 'SIGKILL');
      await gone(c);
    },
    log() {
      return [out, ...logs]
        .map((p) => {
          try {
            return readFileSync(p, 'utf8');
          } catch {
            return '';
          }
        })
        .join('\n');
    },
  };
}

/** Lays out a place; nothing runs yet. */
export async function openPlace(options: PlaceOptions = {}): Promise<Place> {
  const root = mkdtempSync(join(tmpdir(), 'brine-place-'));
  const ports = options.ports ?? { publish: await freePort(), ret: await freePort() };
  const sockDir = join(root, 'run');
  mkdirSync(sockDir, { mode: 0o755 });
  mkdirSync(join(root, 'log'));
  const write = (path: string, text: string): string => {
    const full = join(root, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
    return full;
  };
  const configDir = (who: string): string => join(root, who, 'conf');
  const configure = (path: string, own: Record<string, unknown>, text: string): void => {
    const lines = Object.entries(own).map(([k, v]) => `${k}: ${JSON.stringify(v)}`);
    write(path, `${[...lines, text].join('\n')}\n`);
  };
  configure(
    'master/conf/master',
    {
      root_dir: root,
      interface: '127.0.0.1',
      publish_port: ports.publish,
      ret_port: ports.ret,
      pki_dir: join(root, 'master/pki'),
      cachedir: join(root, 'master/cache'),
      sock_dir: sockDir,
      log_file: join(root, 'log/master'),
      pidfile: join(root, 'master/salt-master.pid'),
      token_dir: join(root, 'master/tokens'),
      auto_accept: true,
      file_roots: { base: [join(root, 'srv/salt')] },
      pillar_roots: { base: [join(root, 'srv/pillar')] },
      ...options.over?.master,
    },
    options.master ?? '',
  );
  mkdirSync(join(root, 'srv/salt'), { recursive: true });
  mkdirSync(join(root, 'srv/pillar'), { recursive: true });
  const minions = new Map<string, Daemon>();
  for (const id of options.minions ?? ['alpha']) {
    configure(
      `${id}/conf/minion`,
      {
        id,
        root_dir: root,
        master: '127.0.0.1',
        master_port: ports.ret,
        publish_port: ports.publish,
        pki_dir: join(root, id, 'pki'),
        cachedir: join(root, id, 'cache'),
        sock_dir: sockDir,
        log_file: join(root, 'log', id),
        pidfile: join(root, id, 'salt-minion.pid'),
        acceptance_wait_time: 2,
        ...options.over?.minion,
      },
      [options.minion, options.each?.[id]].filter(Boolean).join('\n'),
    );
    minions.set(
      id,
      daemon(id, () => [...programOf('salt-minion'), '-c', configDir(id)], join(root, 'log', `${id}.out`), [
        join(root, 'log', id),
      ]),
    );
  }
  const master = daemon(
    'master',
    () => [...programOf('salt-master'), '-c', configDir('master')],
    join(root, 'log/master.out'),
    [join(root, 'log/master')],
  );
  const listeners: SaltEvent[] = [];
  // Daemons outlive a test that is stopped from outside, unless somebody sees to it.
  const abandoned = (): void => {
    for (const { pid } of [...minions.values(), master])
      try {
        if (pid !== undefined) process.kill(-pid, 'SIGKILL');
      } catch {
        // It ended before.
      }
  };
  process.once('exit', abandoned);
  const place: Place = {
    root,
    sockDir,
    ports,
    master,
    minion(id) {
      const m = minions.get(id);
      if (!m) throw new Error(`no minion ${id} in this place`);
      return m;
    },
    configDir,
    write,
    run: (program, args, o = {}) =>
      runCommand([...programOf(program), '-c', configDir(o.on ?? 'master'), ...args], {
        ...(o.input === undefined ? {} : { input: o.input }),
        ...(o.timeout === undefined ? {} : { timeout: o.timeout }),
      }),
    program: programOf,
    events() {
      const e = new SaltEvent('master', sockDir);
      listeners.push(e);
      return e;
    },
    async until(tag, timeout = 20) {
      const e = place.events();
      const got = await e.getEvent({ tag, wait: timeout, full: true });
      if (!got) throw new Error(`no event ${tag} within ${timeout} s\n${master.log().slice(-4000)}`);
    },
    async close() {
      for (const e of listeners) e.close();
      await Promise.all([...minions.values()].map((m) => m.stop()));
      await master.stop();
      process.off('exit', abandoned);
      rmSync(root, { recursive: true, force: true });
    },
  };
  return place;
}

/** Starts the master and all minions of a place and waits until each minion said that it is up. */
export async function startPlace(options: PlaceOptions = {}): Promise<Place> {
  const place = await openPlace(options);
  try {
    place.master.start();
    const ids = options.minions ?? ['alpha'];
    const listener = new SaltEvent('master', place.sockDir);
    const end = Date.now() + 20_000;
    for (;;)
      try {
        await listener.connect();
        break;
      } catch (e) {
        if (Date.now() > end) throw e;
        await new Promise((ok) => setTimeout(ok, 20));
      }
    listener.close();
    const up = ids.map((id) => place.until(`salt/minion/${id}/start`, 30));
    for (const id of ids) place.minion(id).start();
    await Promise.all(up);
    return place;
  } catch (e) {
    const logs = [place.master, ...(options.minions ?? ['alpha']).map((id) => place.minion(id))].map(
      (d) => `--- ${d.name}\n${d.log().slice(-3000)}`,
    );
    await place.close();
    throw new Error(`${e instanceof Error ? e.message : String(e)}\n${logs.join('\n')}`);
  }
}
