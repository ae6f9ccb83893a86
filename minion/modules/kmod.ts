/** Modules of the Linux kernel. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { basename, join } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { escapeRegex, pyRegex } from '../../sls/regex.ts';
import { fn } from '../../sls/signature.ts';
import { compareText, str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('kmod');
const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort(compareText);

function which(command: string, ctx: ModuleCtx): string {
  const path = ctx.salt.call('cmd.which', [command]);
  if (typeof path === 'string' && path) return path;
  throw new SaltError('CommandExecutionError', `Command '${command}' cannot be found`);
}

const bootFile = (ctx: ModuleCtx): string =>
  ctx.grains.has('systemd') ? '/etc/modules-load.d/salt_managed.conf' : '/etc/modules';

function available(): string[] {
  const dir = join('/lib/modules', release());
  const out: string[] = [];
  const builtIn = join(dir, 'modules.builtin');
  if (existsSync(builtIn))
    for (const line of readFileSync(builtIn, 'utf8').split('\n')) if (line) out.push(basename(line, '.ko'));
  const walk = (at: string): void => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      if (entry.isDirectory()) walk(join(at, entry.name));
      else if (entry.name.includes('.ko'))
        out.push(entry.name.slice(0, entry.name.indexOf('.ko')).replaceAll('-', '_'));
    }
  };
  if (existsSync(dir)) walk(dir);
  return out.sort(compareText);
}

function lsmod(ctx: ModuleCtx): PyDict[] {
  const out: PyDict[] = [];
  for (const line of str(ctx.salt.call('cmd.run', [which('lsmod', ctx)])).split('\n')) {
    const [module = '', size = '', count, users] = line.trim().split(/\s+/);
    if (count === undefined || module === 'Module') continue;
    out.push(
      new PyDict<Py>([
        ['size', size],
        ['module', module],
        ['depcount', count],
        ['deps', users === undefined ? [] : users.split(',')],
      ]),
    );
  }
  return out;
}
const loaded = (ctx: ModuleCtx): string[] => lsmod(ctx).map((m) => m.get('module') as string);

/** Modules that are loaded at every start. */
function atBoot(ctx: ModuleCtx): string[] {
  const path = bootFile(ctx);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .map((l) => l.trim());
  return sorted(lines.filter((l) => l && !l.startsWith('#')).map((l) => l.split(/\s+/)[0] as string));
}

function keep(mod: string, ctx: ModuleCtx): string[] {
  const path = bootFile(ctx);
  if (!existsSync(path)) ctx.salt.call('file.touch', [path]);
  const name = mod.trim().split(/\s+/)[0] ?? '';
  if (!name || atBoot(ctx).includes(name) || !available().includes(name)) return [];
  const pattern = escapeRegex(mod);
  const off = pyRegex(`^#[\\t ]*${pattern}[\\t ]*$`, 'm').search(readFileSync(path, 'utf8'));
  if (off) ctx.salt.call('file.uncomment', [path, pattern]);
  else ctx.salt.call('file.append', [path, mod]);
  return [name];
}

function drop(mod: string, comment: boolean, ctx: ModuleCtx): string[] {
  const name = mod.trim().split(/\s+/)[0] ?? '';
  if (!name || !atBoot(ctx).includes(name)) return [];
  const pattern = `^[\\t ]*${escapeRegex(mod)}[\\t ]?`;
  if (comment) ctx.salt.call('file.comment', [bootFile(ctx), pattern]);
  else ctx.salt.call('file.sed', [bootFile(ctx), pattern, '']);
  return [name];
}

/** Runs a command on a module, words of which are its options; answers the error text of a failure. */
function run(command: string, mod: string, ctx: ModuleCtx): string | undefined {
  const words = mod.trim().split(/\s+/);
  const done = ctx.salt.call('cmd.run_all', [[which(command, ctx), ...words]], { python_shell: false });
  if (!(done instanceof PyDict) || done.get('retcode') === 0) return undefined;
  return str(done.get('stderr') ?? '');
}
const without = (a: string[], b: string[]): string[] => a.filter((x) => !b.includes(x));

export default {
  doc: 'Loads, removes and lists modules of the Linux kernel.',
  virtual: (ctx) => ctx.grains.get('kernel') === 'Linux' || { reason: 'kmod only works on Linux' },
  functions: {
    available: fn('available()', doc('All modules that this kernel can load.', 'available'), () => available()),
    check_available: fn(
      'check_available(mod)',
      doc('Whether this kernel can load a module.', 'check_available kvm'),
      (a) => available().includes(str(a['mod'] as Py)),
    ),
    lsmod: fn('lsmod()', doc('Loaded modules with their sizes and what uses them.', 'lsmod'), (_a, ctx) => lsmod(ctx)),
    mod_list: fn(
      'mod_list(only_persist=False)',
      doc('Names of the loaded modules, or of those loaded at every start.', 'mod_list', 'mod_list only_persist=True'),
      (a, ctx) => (truth(a['only_persist'] as Py) ? atBoot(ctx) : sorted(loaded(ctx))),
    ),
    load: fn(
      'load(mod, persist=False)',
      doc(
        'Loads a module, and at every start if asked to; answers what was added.',
        'load kvm',
        'load kvm persist=True',
      ),
      (a, ctx) => {
        const mod = str(a['mod'] as Py);
        const before = loaded(ctx);
        const error = run('modprobe', mod, ctx);
        if (error !== undefined) return `Error loading module ${mod}: ${error}`;
        const added = without(loaded(ctx), before);
        return sorted([...added, ...(truth(a['persist'] as Py) ? keep(mod, ctx) : [])]);
      },
    ),
    is_loaded: fn('is_loaded(mod)', doc('Whether a module is loaded.', 'is_loaded kvm'), (a, ctx) =>
      loaded(ctx).includes(str(a['mod'] as Py)),
    ),
    remove: fn(
      'remove(mod, persist=False, comment=True)',
      doc('Removes a module, and from those of every start if asked to; answers what went.', 'remove kvm persist=True'),
      (a, ctx) => {
        const mod = str(a['mod'] as Py);
        const before = loaded(ctx);
        const error = run('rmmod', mod, ctx);
        if (error !== undefined) return `Error removing module ${mod}: ${error}`;
        const gone = without(before, loaded(ctx));
        return sorted([...gone, ...(truth(a['persist'] as Py) ? drop(mod, truth(a['comment'] as Py), ctx) : [])]);
      },
    ),
  },
} satisfies ExecutionModule;
