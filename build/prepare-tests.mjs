// Installs what the tests need and finds missing: redis-server, mariadb-server and postgresql by apt where root may, and the reference (Salt
// 3008.5) in a virtual environment under the user's cache folder, with Salt's redis and mysql returners beside it. What cannot be had is said; the tests that need it then say so too.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const VERSION = '3008.5';
/** Where the reference's programs are looked for and put. */
export const referenceHome = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'brine', `salt-${VERSION}`);

const has = (cmd, args = ['--version']) => spawnSync(cmd, args, { stdio: 'ignore' }).status === 0;
const run = (cmd, args, options = {}) =>
  spawnSync(cmd, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', ...options });

function aptInstall(packages) {
  if (process.getuid?.() !== 0 || !has('apt-get')) return false;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  let r = run('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { env });
  if (r.status !== 0) {
    run('apt-get', ['update'], { env });
    r = run('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { env });
  }
  return r.status === 0;
}

/** Installs a service's package where it is missing, and sees to it that the package starts none: tests start their own. */
function service(name, there, packages, units) {
  if (there()) return;
  console.log(`Installing ${name} for the tests …`);
  const policy = '/usr/sbin/policy-rc.d';
  const own = process.getuid?.() === 0 && !existsSync(policy);
  if (own) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    if (!aptInstall(packages))
      console.log(`${name} could not be installed here: tests that need it skip (and fail in CI)`);
    else for (const unit of units) spawnSync('service', [unit, 'stop'], { stdio: 'ignore' });
  } finally {
    if (own) rmSync(policy, { force: true });
  }
}

function services() {
  service('redis-server', () => has('redis-server'), ['redis-server'], ['redis-server']);
  service('mariadb-server', () => has('mariadbd'), ['mariadb-server'], ['mariadb']);
  const postgres = () =>
    has('initdb') || (existsSync('/usr/lib/postgresql') && readdirSync('/usr/lib/postgresql').length > 0);
  service('postgresql', postgres, ['postgresql'], ['postgresql']);
}

/** Salt's own redis and mysql returners, beside the reference: they are no part of it since 3008. */
function extensions() {
  const python = join(process.env.BRINE_SALT_REF ?? join(referenceHome, 'bin'), 'python');
  const target = process.env.BRINE_SALTEXT ?? join(dirname(dirname(python)), 'saltext');
  if (!existsSync(python) || existsSync(join(target, 'saltext'))) return;
  const wanted = ['saltext.redis==1.0.2', 'saltext.mysql==1.1.0', 'redis', 'pymysql', 'psycopg2-binary'];
  const r = run(python, ['-m', 'pip', 'install', '-q', '--no-deps', '--target', target, ...wanted]);
  if (r.status !== 0) console.log("Salt's redis and mysql returners could not be installed: their interop tests skip");
}

/** Installs the reference from its source package, with the one pin relaxed that no registry may be able to serve yet. */
function reference() {
  if (process.env.BRINE_SALT_REF) return;
  if (existsSync(join(referenceHome, 'COMPLETE'))) return;
  if (!has('python3')) aptInstall(['python3', 'python3-venv', 'python3-dev', 'gcc']);
  console.log(`Installing the reference (Salt ${VERSION}) for the interop tests, once …`);
  const work = mkdtempSync(join(tmpdir(), 'brine-reference-'));
  try {
    mkdirSync(referenceHome, { recursive: true });
    const must = (title, r) => {
      if (r.status !== 0)
        throw new Error(`${title}: ${(r.stderr || r.stdout || String(r.error ?? '')).split('\n').slice(-4).join(' ')}`);
    };
    // The final path is baked into the programs, so the environment is made where it stays.
    rmSync(referenceHome, { recursive: true, force: true });
    let made = run('python3', ['-m', 'venv', referenceHome]);
    if (made.status !== 0 && aptInstall(['python3-venv'])) made = run('python3', ['-m', 'venv', referenceHome]);
    must('venv', made);
    const pip = join(referenceHome, 'bin', 'pip');
    must('download', run(pip, ['download', '--no-deps', '--no-binary', ':all:', `salt==${VERSION}`, '-d', work]));
    const archive = readdirSync(work).find((f) => f.endsWith('.tar.gz'));
    must('unpack', run('tar', ['xzf', join(work, archive), '-C', work]));
    const source = join(work, archive.replace(/\.tar\.gz$/, ''));
    const pins = join(source, 'requirements', 'base.txt');
    writeFileSync(pins, readFileSync(pins, 'utf8').replace(/^certifi>=.*$/m, 'certifi'));
    must('install', run(pip, ['install', source], { timeout: 900_000 }));
    writeFileSync(join(referenceHome, 'COMPLETE'), `${VERSION}\n`);
  } catch (e) {
    rmSync(referenceHome, { recursive: true, force: true });
    console.log(`The reference could not be installed (${e.message}): interop tests skip and say so`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1]?.endsWith('prepare-tests.mjs')) {
  services();
  reference();
  extensions();
}
