import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { loadConfig, type Role } from '../../sls/config.ts';
import { machineName } from '../../sls/minion-id.ts';
import { loadYaml, YamlError } from '../../sls/yaml.ts';
import { compared, type Outcome, recordedCases } from './recorded.ts';

/** Whether a main file's text may begin with a line of ours: not where the case is about a document that is no map. */
function isMap(text: string): boolean {
  try {
    const v = loadYaml(text);
    return v === null || v instanceof PyDict;
  } catch (e) {
    if (e instanceof YamlError) return false;
    throw e;
  }
}

/** Puts the scratch folder and the machine's name back into what was recorded for them. */
function masked(v: Py, root: string): Py {
  if (typeof v === 'string') {
    const text = v.replaceAll(root, '<ROOT>');
    for (const [name, mark] of [
      [machineName(), '<HOST>'],
      [hostname(), '<HOST>'],
    ] as const)
      if (text === name || text === `${name}_master`) return text.replace(name, mark);
    return text;
  }
  if (Array.isArray(v)) return v.map((x) => masked(x as Py, root));
  if (v instanceof PyDict) return new PyDict([...v].map(([k, x]) => [k, masked(x, root)] as const));
  return v;
}

function runCase(c: PyDict, root: string): PyDict {
  const fill = (v: Py): string => String(v).replaceAll('<ROOT>', root);
  const main = String(c.get('main_file'));
  for (const [path, value] of c.get('files') as PyDict) {
    const file = join(root, String(path));
    let text = fill(value);
    if (path === main && isMap(text)) text = `root_dir: ${root}\n${text.trim() === '{}' ? '' : text}`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const env: Record<string, string> = { HOME: root };
  for (const [k, v] of (c.get('env') as PyDict | undefined) ?? new PyDict()) env[String(k)] = fill(v);
  const lines: Py[] = [];
  const log = new Log('config', (r) => lines.push([r.level.toUpperCase(), r.message.split('\n')[0] as string]), 30);
  const out = new PyDict();
  let opts: Opts | undefined;
  try {
    opts = loadConfig(String(c.get('role')) as Role, { configFile: join(root, main), env, log, program: 'x' });
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    out.set(
      'opts',
      new PyDict<Py>([
        e.details['file'] === undefined ? ['<RAISES>', `${e.name}: ${e.message}`] : ['<EXIT>', e.exitCode],
      ]),
    );
  }
  if (opts) {
    const seen = new PyDict();
    for (const key of c.get('look_at') as string[]) seen.set(key, opts.get(key) ?? (opts.has(key) ? null : '<ABSENT>'));
    out.set('opts', seen);
  }
  out.set('log', lines);
  const kept = join(root, 'etc/salt/minion_id');
  if (c.has('minion_id_file_after'))
    out.set('minion_id_file_after', existsSync(kept) ? readFileSync(kept, 'utf8') : null);
  return masked(out, root) as PyDict;
}

/** Runs the recorded configurations (`config.json`), each under a scratch folder of its own. */
export function runConfig(dirOrFile: string): Outcome[] {
  return recordedCases(dirOrFile, 'config.json').map((c) => {
    const root = mkdtempSync(join(tmpdir(), 'brine-config-'));
    try {
      const got = runCase(c, root);
      const want = new PyDict([...got.keys()].map((k) => [k, c.get(k) ?? null] as const));
      return compared(String(c.get('name')), got, want);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
}
