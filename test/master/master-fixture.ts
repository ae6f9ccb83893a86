import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LEVELS, Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import type { Py } from '../../bus/values.ts';
import { type Master, type MasterParts, startMaster } from '../../master/master.ts';
import { loadConfig } from '../../sls/config.ts';

/** A master for a test: free loopback ports, everything in a folder of its own. */
export interface TestMaster {
  readonly dir: string;
  readonly opts: Opts;
  readonly lines: string[];
  master: Master;
  /** Stops it and starts another on the same folder. */
  restart(changes?: Record<string, Py>): Promise<void>;
  /** Stops it and removes the folder. */
  end(): Promise<void>;
}

/** Starts a master with these options; `file_roots:base` is `<dir>/srv`. */
export async function startTestMaster(changes: Record<string, Py> = {}, parts: MasterParts = {}): Promise<TestMaster> {
  const dir = mkdtempSync(join(tmpdir(), 'mst-'));
  mkdirSync(join(dir, 'etc'));
  mkdirSync(join(dir, 'srv'));
  writeFileSync(
    join(dir, 'etc', 'master'),
    `root_dir: ${dir}\ncachedir: ${dir}/cache\nsock_dir: ${dir}/run\npki_dir: ${dir}/pki\nlog_file: ${dir}/log\nuser: root\nfile_roots: {base: [${dir}/srv]}\n`,
  );
  const lines: string[] = [];
  const log = new Log('salt.master', (r) => lines.push(`[${r.level}] ${r.message}`), LEVELS.info);
  const opts = loadConfig('master', { configDir: join(dir, 'etc'), log });
  const fixed: Record<string, Py> = { interface: '127.0.0.1', publish_port: 0, ret_port: 0, keysize: 2048, ...changes };
  for (const [k, v] of Object.entries(fixed)) opts.set(k, v);
  const made: TestMaster = {
    dir,
    opts,
    lines,
    master: await startMaster(opts, log, parts),
    async restart(more = {}) {
      opts.set('publish_port', made.master.ports.publish);
      opts.set('ret_port', made.master.ports.ret);
      await made.master.stop();
      for (const [k, v] of Object.entries(more)) opts.set(k, v);
      made.master = await startMaster(opts, log, parts);
    },
    async end() {
      await made.master.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return made;
}
