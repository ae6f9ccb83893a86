/** Units through systemctl: what both service modules are made of. */
import { accessSync, constants, existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { capture } from '../../process/capture.ts';
import { type Ran, runText, runWords } from '../../process/through-cmd.ts';
import { which } from '../../process/which.ts';
import type { ModuleCtx } from '../contract.ts';

const TYPES = ['service', 'socket', 'device', 'mount', 'automount', 'swap', 'target', 'path', 'timer'];
const SYSTEM = ['/lib/systemd/system', '/usr/lib/systemd/system'];
const LOCAL = '/etc/systemd/system';

/** Whether systemd runs this machine. */
export const booted = (): boolean => existsSync('/run/systemd/system');

/** Path of systemctl where systemd is installed but does not run (a chroot, a container); false otherwise. */
export const offline = (): string | false => (!booted() && which('systemctl')) || false;

/** `name.service` for a plain name. */
export const unitName = (name: string): string => (TYPES.some((t) => name.endsWith(t)) ? name : `${name}.service`);

const below = (path: string, root: string | undefined): string => (root ? join(root, relative('/', path)) : path);

/** Name as people write it: without the ending of services; undefined for what is no unit. */
function shortName(file: string): string | undefined {
  const dot = file.lastIndexOf('.');
  const type = file.slice(dot + 1);
  if (dot < 0 || !TYPES.includes(type)) return undefined;
  return type === 'service' ? file.slice(0, dot) : file;
}

const canRead = (path: string, mode = constants.R_OK): boolean => {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
};

/** Every unit that has a file. */
function unitFiles(root: string | undefined): Set<string> {
  const found = new Set<string>();
  for (const folder of [...SYSTEM, LOCAL].map((p) => below(p, root))) {
    if (!canRead(folder) || lstatSync(folder).isSymbolicLink()) continue;
    for (const file of readdirSync(folder)) {
      const name = shortName(file);
      if (name !== undefined) found.add(name);
    }
  }
  return found;
}

/** Init scripts no unit stands for. */
export function initScripts(root?: string, units: Set<string> = unitFiles(root)): string[] {
  const folder = below('/etc/init.d', root);
  if (!canRead(folder)) return [];
  return readdirSync(folder).filter((n) => canRead(join(folder, n), constants.X_OK) && !units.has(n));
}

/** Whether commands should run in a scope of their own, so that a restart of the minion does not end them. */
function scope(ctx: ModuleCtx): string[] {
  if (!booted() || ctx.opts.get('systemd.scope') === false) return [];
  const run = which('systemd-run');
  if (!run)
    throw new SaltError(
      'CommandExecutionError',
      "systemd-run is required for running systemctl with --scope, but it was not found on the system. Make sure systemd-run is installed and in the system's PATH or disable it using the 'systemd.scope' config option.",
    );
  return [run, '--scope'];
}

/** How to call systemctl. */
export interface Call {
  readonly scoped?: boolean;
  readonly noBlock?: boolean;
  readonly root?: string | undefined;
}

function words(action: readonly string[], name: string | undefined, ctx: ModuleCtx, c: Call = {}): string[] {
  return [
    ...(c.scoped ? scope(ctx) : []),
    which('systemctl') ?? 'systemctl',
    ...(c.noBlock ? ['--no-block'] : []),
    ...(c.root ? ['--root', c.root] : []),
    ...action,
    ...(name === undefined ? [] : [unitName(name)]),
    ...(action.includes('status') ? ['-n', '0'] : []),
  ];
}

const status = (name: string, ctx: ModuleCtx): Ran =>
  runWords(ctx, words(['status'], name, ctx), { redirect_stderr: true, ignore_retcode: true });

/** Whether systemd knows a unit. */
export function isAvailable(name: string, ctx: ModuleCtx): boolean {
  if (offline())
    throw new SaltError(
      'CommandExecutionError',
      `Cannot run in offline mode. Failed to get information on unit '${name}'`,
    );
  const s = status(name, ctx);
  const version = Number(/\w+ (\d+)/.exec(capture('systemctl', ['--version']).stdout)?.[1] ?? 0);
  if (version >= 231) return s.code >= 0 && s.code < 4;
  const out = s.stdout.toLowerCase();
  if (out.includes('could not be found')) return false;
  const loaded = /^\s+loaded:\s+(\S+)/m.exec(out)?.[1];
  if (loaded === undefined) throw new SaltError('CommandExecutionError', `Failed to get information on unit '${name}'`);
  return loaded !== 'not-found';
}

/** Lets systemd read its files anew when a unit's file has changed or is new. */
export function noticeChanges(name: string, ctx: ModuleCtx): void {
  const custom = canRead(join(LOCAL, unitName(name))) && !isAvailable(name, ctx);
  if (custom || status(name, ctx).stdout.toLowerCase().includes("'systemctl daemon-reload'")) daemonReload(ctx);
}

/** `systemctl daemon-reload`. */
export function daemonReload(ctx: ModuleCtx): true {
  const r = runWords(ctx, words(['--system', 'daemon-reload'], undefined, ctx), { redirect_stderr: true });
  if (r.code !== 0)
    throw new SaltError('CommandExecutionError', `Problem performing systemctl daemon-reload: ${r.stdout}`);
  return true;
}

/** Message of systemctl without the lines systemd-run adds. */
const withoutScope = (text: string): string =>
  text
    .split('\n')
    .filter((l) => !l.endsWith('.scope'))
    .join('\n')
    .trim();

/** Runs an action on a unit; throws what systemctl says when it fails. */
export function act(
  action: string,
  name: string,
  ctx: ModuleCtx,
  c: Call = {},
  options: { readonly [k: string]: Py } = {},
): true {
  const r = runWords(ctx, words([action], name, ctx, { scoped: true, ...c }), options);
  if (r.code !== 0) throw new SaltError('CommandExecutionError', withoutScope(r.stderr));
  return true;
}

/** As {@link act}, answering whether it worked. */
export function tryAct(
  action: string,
  name: string,
  ctx: ModuleCtx,
  c: Call = {},
  options: { readonly [k: string]: Py } = {},
): boolean {
  return runWords(ctx, words([action], name, ctx, { scoped: true, ...c }), options).code === 0;
}

/** Whether a unit is active. */
export const isActive = (name: string, ctx: ModuleCtx): boolean =>
  runWords(ctx, words(['is-active'], name, ctx), { ignore_retcode: true }).code === 0;

/** Whether a unit is linked to nothing. */
export function isMasked(name: string, runtime: boolean, root: string | undefined, ctx: ModuleCtx): boolean {
  noticeChanges(name, ctx);
  try {
    return readlinkSync(join(below(runtime ? '/run' : '/etc', root), 'systemd/system', unitName(name))) === '/dev/null';
  } catch {
    return false; // no link there: not masked
  }
}

/** Masks a unit, or takes the mask off. */
export function setMask(on: boolean, name: string, runtime: boolean, root: string | undefined, ctx: ModuleCtx): true {
  noticeChanges(name, ctx);
  if (!on && !isMasked(name, runtime, root, ctx)) return true;
  const action = [on ? 'mask' : 'unmask', ...(runtime ? ['--runtime'] : [])];
  const r = runWords(ctx, words(action, name, ctx, { scoped: true, root }), { redirect_stderr: true });
  if (r.code !== 0)
    throw new SaltError('CommandExecutionError', `Failed to ${on ? 'mask' : 'unmask'} service '${name}'`);
  return true;
}

const list = (ctx: ModuleCtx, action: readonly string[], root?: string): string[][] =>
  runText(ctx, words(['--full', '--no-legend', '--no-pager', ...action], undefined, ctx, { root }), {
    ignore_retcode: true,
  })
    .split('\n')
    .map((l) => l.trim().split(/\s+/));

const names = (rows: string[][]): string[] => rows.flatMap((r) => shortName(r[0] ?? '') ?? []);

/** Units of a state in the list of unit files. */
export const unitsIn = (state: string, ctx: ModuleCtx, root?: string): string[] =>
  names(list(ctx, ['list-unit-files'], root).filter((r) => r[1] === state));

/** Units that run. */
export const runningUnits = (ctx: ModuleCtx): string[] =>
  [...new Set(names(list(ctx, []).filter((r) => r[3] === 'running')))].sort();

/** Every unit and init script. */
export function allUnits(root?: string): string[] {
  const units = unitFiles(root);
  return [...new Set([...units, ...initScripts(root, units)])].sort();
}

/** The runlevel the machine is in, 2 where it knows none. */
export function runlevel(ctx: ModuleCtx): string {
  if (!which('runlevel')) return '2';
  return runText(ctx, ['runlevel'], { ignore_retcode: true }).split(/\s+/)[1] ?? '2';
}

/** Whether an init script is linked to start. */
export function scriptEnabled(name: string, level: string, root?: string): boolean {
  const folder = below(`/etc/rc${level}.d`, root);
  return canRead(folder) && readdirSync(folder).some((f) => /^S\d{0,2}/.test(f) && f.replace(/^S\d{0,2}/, '') === name);
}

/** Whether a unit, alias, instance or init script starts with the machine. */
export function isEnabled(name: string, root: string | undefined, ctx: ModuleCtx): boolean {
  const quiet = { ignore_retcode: true };
  const r = runWords(ctx, words(['is-enabled'], name, ctx, { root }), quiet);
  if (r.code === 0 && r.stdout !== 'alias') return true;
  if (r.stdout === 'alias') {
    const real = runText(ctx, [...words(['show'], name, ctx, { root }), '-P', 'Id']);
    return runWords(ctx, words(['is-enabled'], real, ctx, { root }), quiet).code === 0;
  }
  if (name.includes('@')) return runText(ctx, ['find', LOCAL, '-name', name, '-type', 'l', '-print', '-quit']) !== '';
  return initScripts(root).includes(name) && scriptEnabled(name, runlevel(ctx), root);
}

/** Enables or disables an init script; undefined where the name is none. */
export function enableScript(on: boolean, name: string, root: string | undefined, ctx: ModuleCtx): boolean | undefined {
  if (!initScripts(root).includes(name)) return undefined;
  const tool = which('update-rc.d') ?? which('chkconfig');
  if (!tool)
    throw new SaltError('CommandExecutionError', 'Unable to find sysv service manager (tried update-rc.d, chkconfig)');
  const action = tool.endsWith('update-rc.d')
    ? ['-f', name, ...(on ? ['defaults', '99'] : ['remove'])]
    : [name, on ? 'on' : 'off'];
  return runWords(ctx, [...scope(ctx), tool, ...action], { ignore_retcode: true }).code === 0;
}

/** Every property of a unit; braces become maps. */
export function properties(name: string, root: string | undefined, ctx: ModuleCtx): PyDict {
  const out = new PyDict();
  for (const line of runText(ctx, words(['show'], name, ctx, { root })).split('\n')) {
    const at = line.indexOf('=');
    const key = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? '' : line.slice(at + 1);
    if (value.startsWith('{')) {
      const parts = value.replace(/[{}]/g, '').split(' ; ');
      out.set(
        key,
        new PyDict(
          parts.map((p): [Py, Py] => {
            const [k = '', ...v] = p.split('=');
            return [k.trim(), v.join('=').trim()];
          }),
        ),
      );
    } else out.set(key, ['Before', 'After', 'Wants'].includes(key) ? value.split(/\s+/).filter(Boolean) : value);
  }
  return out;
}

/** Programs that units start. */
export function programs(root: string | undefined, ctx: ModuleCtx): PyDict {
  const out = new PyDict();
  for (const unit of allUnits(root)) {
    const start = properties(unit, root, ctx).get('ExecStart');
    if (start instanceof PyDict) out.set(unit, start.get('path') ?? '');
  }
  return out;
}

/** The values `systemd-firstboot` sets on a new system. */
export function firstBoot(values: readonly (readonly [option: string, value: Py])[], ctx: ModuleCtx): true {
  const set = values.flatMap(([o, v]) => (v === null || v === '' ? [] : [`--${o}`, String(v)]));
  const r = runWords(ctx, [which('systemd-firstboot') ?? 'systemd-firstboot', ...set]);
  if (r.code !== 0) throw new SaltError('CommandExecutionError', `systemd-firstboot error: ${r.stderr}`);
  return true;
}
