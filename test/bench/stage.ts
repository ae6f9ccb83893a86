import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { quietLog } from '../../bus/log.ts';
import { ControlClient } from '../../bus/transport/control.ts';
import { masterEventSockets } from '../../bus/transport/ipc.ts';
import { ZmtpRequestClient } from '../../bus/transport/zmtp.ts';
import type { Wire } from '../../bus/values.ts';
import { asMap, CLEAR_COMMAND } from '../../bus/wire/loads.ts';
import { decodeNetwork, encodeNetwork } from '../../bus/wire/payload.ts';
import { Swarm } from '../../minion/swarm.ts';
import { freePort } from '../services/ports.ts';
import { type Cost, timed } from './processes.ts';

/** One of the two that are compared: its name and the folder of its programs. */
export interface Side {
  readonly name: 'ours' | 'peer';
  readonly bin: string;
}

/** What a stage is laid out with. */
export interface StageOptions {
  /** Lines added to the master's configuration. */
  master?: string;
  /** Files below the stage's folder. */
  files?: Readonly<Record<string, string>>;
}

const pause = (ms: number): Promise<void> => new Promise((then) => setTimeout(then, ms));

const live = new Set<Stage>();
/** Takes down every stage that stands: for a run that is interrupted. */
export async function closeStages(): Promise<void> {
  await Promise.all([...live].map((s) => s.close()));
}

/** A master, and minions if wanted, of one side, in a folder and on ports of their own. */
export class Stage {
  readonly root = mkdtempSync(join(tmpdir(), 'bench-'));
  private readonly daemons: ChildProcess[] = [];
  private readonly swarms: Swarm[] = [];
  master = 0;

  private constructor(
    readonly side: Side,
    readonly ports: { readonly publish: number; readonly ret: number },
  ) {}

  /** Lays everything out; nothing runs yet. `{root}` in texts stands for the stage's folder. */
  static async open(side: Side, o: StageOptions = {}): Promise<Stage> {
    const s = new Stage(side, { publish: await freePort(), ret: await freePort() });
    live.add(s);
    mkdirSync(join(s.root, 'run'));
    s.write(
      'master/master',
      `root_dir: {root}
interface: 127.0.0.1
publish_port: ${s.ports.publish}
ret_port: ${s.ports.ret}
pki_dir: {root}/master/pki
cachedir: {root}/master/cache
sock_dir: {root}/run
log_file: {root}/master.log
pidfile: {root}/master.pid
auto_accept: True
file_roots:
  base: [{root}/srv]
${o.master ?? ''}
`,
    );
    for (const [path, text] of Object.entries(o.files ?? {})) s.write(path, text);
    return s;
  }

  write(path: string, text: string): void {
    const full = join(this.root, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text.replaceAll('{root}', this.root));
  }

  get sockets(): { pub: string; pull: string } {
    return masterEventSockets(join(this.root, 'run'));
  }

  private daemon(program: string, config: string): number {
    const out = openSync(join(this.root, `${program}.out`), 'a');
    const child = spawn(join(this.side.bin, program), ['-c', config], { stdio: ['ignore', out, out], detached: true });
    this.daemons.push(child);
    if (child.pid === undefined) throw new Error(`${program} of ${this.side.bin} does not start`);
    return child.pid;
  }

  /** Starts the master; resolves at once. */
  launchMaster(): void {
    this.master = this.daemon('salt-master', join(this.root, 'master'));
  }

  /** Starts the master and waits until it listens on its event sockets and its request port. */
  async startMaster(): Promise<void> {
    this.launchMaster();
    await this.untilUp();
  }

  /** Waits until somebody listens on the event sockets and answers a ping on the request port. */
  async untilUp(): Promise<void> {
    await this.until(
      () =>
        new Promise((ok) => {
          const socket = connect(this.sockets.pub);
          socket.once('connect', () => ok(socket.destroy() !== undefined));
          socket.once('error', () => ok(false));
        }),
      'listen on its event socket',
    );
    await this.until(async () => {
      const client = new ZmtpRequestClient({ host: '127.0.0.1', port: this.ports.ret });
      try {
        await client.request(encodeNetwork({ enc: 'clear', load: { cmd: CLEAR_COMMAND.ping }, version: 3 }), 5000);
        return true;
      } catch {
        return false;
      } finally {
        await client.close();
      }
    }, 'answer on its port');
  }

  private async until(test: () => Promise<boolean>, what: string): Promise<void> {
    for (const end = Date.now() + 60_000; !(await test()); await pause(20))
      if (Date.now() > end) throw new Error(`the master of ${this.side.name} does not ${what}\n${this.output()}`);
  }

  /** Starts a real minion; answers its process id at once. */
  launchMinion(id: string): number {
    this.write(
      `${id}/minion`,
      `id: ${id}
root_dir: {root}
master: 127.0.0.1
master_port: ${this.ports.ret}
publish_port: ${this.ports.publish}
pki_dir: {root}/${id}/pki
cachedir: {root}/${id}/cache
sock_dir: {root}/run
log_file: {root}/${id}.log
pidfile: {root}/${id}.pid
`,
    );
    return this.daemon('salt-minion', join(this.root, id));
  }

  /** Runs a command line with this stage's master configuration. */
  async run(program: string, ...args: string[]): Promise<Cost> {
    const cost = await timed([join(this.side.bin, program), '-c', join(this.root, 'master'), ...args]);
    if (cost.code !== 0)
      throw new Error(`${program} ${args.join(' ')} of ${this.side.name} ended with ${cost.code}\n${cost.stderr}`);
    return cost;
  }

  /** Simulated minions, signed in; `listen` it for jobs. */
  async swarm(count: number, keyDir: string, prefix = 'swarm-'): Promise<Swarm> {
    const swarm = await Swarm.open({
      host: '127.0.0.1',
      port: this.ports.ret,
      count,
      prefix,
      keyDir,
      keyPool: 32,
      log: quietLog,
      timeout: 120_000,
    });
    this.swarms.push(swarm);
    await swarm.connect();
    return swarm;
  }

  /** Publishes by the wire as a command line would, with the key of the master's user; answers the jid. */
  async publish(tgt: string, fun: string, arg: Wire[] = []): Promise<string> {
    const user = process.env['USER'] ?? 'root';
    const path = [user, 'root'].map((u) => join(this.root, 'master/cache', `.${u}_key`)).find(existsSync);
    if (!path) throw new Error('the master wrote no key for local users');
    const load = { cmd: CLEAR_COMMAND.publish, tgt, fun, arg, tgt_type: 'glob', ret: '', jid: '', user, kwargs: {} };
    const client = new ZmtpRequestClient({ host: '127.0.0.1', port: this.ports.ret });
    try {
      const sealed = { enc: 'clear', load: { ...load, key: readFileSync(path, 'utf8').trim() }, version: 3 };
      const answer = asMap(decodeNetwork(await client.request(encodeNetwork(sealed), 60_000)));
      const jid = asMap(answer?.['load'])?.['jid'];
      if (typeof jid !== 'string') throw new Error(`publishing failed: ${JSON.stringify(answer)}`);
      return jid;
    } finally {
      await client.close();
    }
  }

  /** The master's own count of how late its event loop was since the last ask, p99 in ms; undefined for the other side, which has none. */
  async loopDelay(): Promise<number | undefined> {
    if (this.side.name !== 'ours') return undefined;
    const client = await ControlClient.connect(join(this.root, 'run', 'master_control.ipc'));
    try {
      const stats = asMap(await client.request('order', { order: 'stats', data: { reset: true } }));
      return Number(asMap(stats?.['loop_delay_ms'])?.['p99']?.valueOf() ?? Number.NaN);
    } finally {
      client.close();
    }
  }

  /** What the daemons printed and logged. */
  output(): string {
    return ['salt-master.out', 'salt-minion.out', 'master.log']
      .map((f) => {
        const path = join(this.root, f);
        return existsSync(path) ? `--- ${f}\n${readFileSync(path, 'utf8').slice(-2000)}` : '';
      })
      .join('\n');
  }

  /** Stops what runs and removes the folder. */
  async close(): Promise<void> {
    live.delete(this);
    await Promise.all(this.swarms.map((s) => s.close()));
    await Promise.all(
      this.daemons.map(async (d) => {
        const gone = new Promise<void>((ok) => {
          if (d.exitCode !== null || d.signalCode !== null) ok();
          else d.once('exit', () => ok());
        });
        d.kill('SIGTERM');
        await Promise.race([gone, pause(8000)]);
        try {
          process.kill(-(d.pid as number), 'SIGKILL');
        } catch {
          // Nobody of its group is left.
        }
        await gone;
      }),
    );
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Lays out a stage, works on it, and takes it down whatever happens. */
export async function onStage<T>(side: Side, o: StageOptions, work: (s: Stage) => Promise<T>): Promise<T> {
  const stage = await Stage.open(side, o);
  try {
    return await work(stage);
  } catch (e) {
    throw new Error(`${e instanceof Error ? (e.stack ?? e.message) : String(e)}\n${stage.output()}`, { cause: e });
  } finally {
    await stage.close();
  }
}
