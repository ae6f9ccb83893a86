/** The kernel's attribute files below /sys. */
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { messageOf } from '../../bus/errors.ts';
import { mkFloat, type Py, PyDict } from '../../bus/values.ts';
import { parseFloatText, parseIntText } from '../../sls/numbers.ts';
import { fn } from '../../sls/signature.ts';
import { iterate, str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('sysfs');
const isDir = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Where a key lies once links are followed; undefined where nothing is. An absolute path is taken as it is. */
function target(key: string, ctx: ModuleCtx): string | undefined {
  const path = resolve('/sys', key);
  if (existsSync(path)) return realpathSync(path);
  ctx.log.debug(`Unknown SysFS key ${path}`);
  return undefined;
}

function filesBelow(dir: string): string[] {
  const out: string[] = [];
  const folders: string[] = [];
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) folders.push(path);
    else if (statSync(path, { throwIfNoEntry: false })?.isFile()) out.push(path);
  }
  for (const folder of folders) out.push(...filesBelow(folder));
  return out;
}

interface Interfaces {
  r: string[];
  w: string[];
  rw: string[];
}

function interfaces(key: string, ctx: ModuleCtx): Interfaces | undefined {
  const root = target(key, ctx);
  if (root === undefined || !isDir(root)) {
    ctx.log.error(`SysFS ${root ?? 'False'} not a dir`);
    return undefined;
  }
  const out: Interfaces = { r: [], w: [], rw: [] };
  for (const path of filesBelow(root)) {
    const { mode } = statSync(path);
    const kind = `${mode & constants.S_IRUSR ? 'r' : ''}${mode & constants.S_IWUSR ? 'w' : ''}`;
    if (kind === 'r' || kind === 'w' || kind === 'rw') out[kind].push(relative(root, path));
    else ctx.log.warning(`Unable to find any interfaces in ${path}`);
  }
  return out;
}

/** The value of one file: a number where it is one, false where it is empty or can't be read. */
function value(path: string, ctx: ModuleCtx): Py {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(fd)).trim();
    } finally {
      closeSync(fd);
    }
    if (!text) return false;
    const float = parseFloatText(text);
    return parseIntText(text) ?? (float === undefined ? text : mkFloat(float));
  } catch (e) {
    ctx.log.debug(`${path} cannot be read: ${messageOf(e)}`);
    return false;
  }
}

function read(key: Py, root: string, ctx: ModuleCtx): Py {
  if (typeof key !== 'string') {
    const out = new PyDict();
    for (const one of iterate(key)) {
      const v = read(resolve('/sys', root, str(one)), '', ctx);
      if (v !== false) out.set(one, v);
    }
    return out;
  }
  const path = target(resolve('/sys', root, key), ctx);
  if (path === undefined) return false;
  if (!isDir(path)) return value(path, ctx);
  const found = interfaces(path, ctx) as Interfaces;
  const out = new PyDict();
  for (const name of [...found.r, ...found.rw]) {
    const v = read(join(path, name), '', ctx);
    if (v === false) continue;
    const parts = name.split('/');
    const last = parts.pop() as string;
    let at = out;
    for (const part of parts) {
      const below = at.get(part);
      const next = below instanceof PyDict ? below : new PyDict();
      at.set(part, next);
      at = next;
    }
    at.set(last, v);
  }
  return out;
}

function write(key: string, v: Py, ctx: ModuleCtx): boolean {
  const path = target(key, ctx);
  if (path === undefined) return false;
  try {
    writeFileSync(path, `${str(v)}\n`);
    return true;
  } catch (e) {
    ctx.log.debug(`${path} cannot be written: ${messageOf(e)}`);
    return false;
  }
}

export default {
  doc: 'Reads and writes the attribute files of the kernel below /sys.',
  virtual: () => process.platform === 'linux' || { reason: 'sysfs is only there on Linux' },
  functions: {
    attr: fn(
      'attr(key, value=None)',
      doc(
        'Reads an attribute, or writes it where a value is given; the path of a folder.',
        'attr block/sda/queue/scheduler',
      ),
      (a, ctx) => {
        const path = target(str(a['key'] as Py), ctx);
        if (path === undefined) return false;
        if (isDir(path)) return path;
        const v = a['value'] ?? null;
        return v === null ? read(path, '', ctx) : write(path, v, ctx);
      },
    ),
    write: fn(
      'write(key, value)',
      doc('Writes an attribute.', 'write devices/system/cpu/cpu0/cpufreq/scaling_governor performance'),
      (a, ctx) => write(str(a['key'] as Py), a['value'] as Py, ctx),
    ),
    read: fn(
      "read(key, root='')",
      doc('Reads an attribute, all attributes of a folder, or a list of them.', 'read class/net/eth0/statistics'),
      (a, ctx) => read(a['key'] as Py, str(a['root'] as Py), ctx),
    ),
    target: fn(
      'target(key, full=True)',
      doc('Where an attribute lies once links are followed, or just its last name.', 'target class/net/eth0'),
      (a, ctx) => {
        const path = target(str(a['key'] as Py), ctx);
        if (path === undefined) return false;
        return truth(a['full'] as Py) ? path : basename(path);
      },
    ),
    interfaces: fn(
      'interfaces(root)',
      doc('Attributes of a folder by what may be done with them: r, w or rw.', 'interfaces block/sda/queue'),
      (a, ctx) => {
        const found = interfaces(str(a['root'] as Py), ctx);
        return found ? new PyDict<Py>(Object.entries(found)) : false;
      },
    ),
  },
} satisfies ExecutionModule;
