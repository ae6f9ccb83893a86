import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { LEVELS, Log } from '../../bus/log.ts';
import { PyDict, PyFloat } from '../../bus/values.ts';
import { defaultOptions } from '../../sls/config-defaults.ts';
import { ownOptions } from '../../sls/config-own.ts';
import { loadYaml } from '../../sls/yaml.ts';

const ROOMS = ['bus', 'sls', 'returners', 'reactor', 'minion', 'master'];
const page = readFileSync('docs/configuration.md', 'utf8');

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? sources(`${dir}/${e.name}`) : e.name.endsWith('.ts') ? [`${dir}/${e.name}`] : [],
  );
}
const texts = ROOMS.flatMap(sources).map((path) => ({ path, text: readFileSync(path, 'utf8') }));

/** Names of options that the code reads, each with the first file that does. */
function read(): Map<string, string> {
  const found = new Map<string, string>();
  for (const { path, text } of texts)
    for (const m of text.matchAll(
      /\b(?:[a-z]\w*)?[oO]pts(?:\.data)?\s*\.(?:str|num|flag|list|dict|get|has)\(\s*'([\w.]+)'|\b(?:text|pathOf|isMovablePath)\((?:\w+\.)?opts, '([\w.]+)'/g,
    )) {
      const name = m[1] ?? m[2];
      if (name !== undefined && !found.has(name)) found.set(name, path);
    }
  return found;
}

interface Row {
  name: string;
  where: string;
  default: string;
}
const rows: Row[] = [...page.matchAll(/^\| `([\w.]+)` \| (master|minion|both) \| (.+?) \| .+ \|$/gm)].map((m) => ({
  name: m[1] as string,
  where: m[2] as string,
  default: m[3] as string,
}));
const inner = [...(page.split('## Names that command lines set')[1] ?? '').matchAll(/`(\w+)`/g)].map(
  (m) => m[1] as string,
);

test('every option that is read is on the page', () => {
  const known = new Set([...rows.map((r) => r.name), ...inner]);
  const missing = [...read()].filter(([name]) => !known.has(name)).map(([name, path]) => `${name} (${path})`);
  assert.deepEqual(missing, []);
});

test('every option on the page is read somewhere, and stands there once', () => {
  // Lists of options, and names that are put together, count as reading: the name in quotes outside of the tables of defaults and options.
  const tables = /config-(?:master|minion|types|defaults)\.ts$|cli-option-table\.ts$/;
  const quoted = (name: string): boolean =>
    texts.some(({ path, text }) => !tables.test(path) && text.includes(`'${name}'`));
  const found = read();
  assert.deepEqual(
    [...rows.map((r) => r.name), ...inner].filter((name) => !found.has(name) && !quoted(name)),
    [],
  );
  const names = rows.map((r) => r.name);
  assert.deepEqual(
    names.filter((n, i) => names.indexOf(n) !== i),
    [],
  );
});

function shown(v: unknown): string {
  if (v === null) return 'None';
  if (v === true) return 'True';
  if (v === false) return 'False';
  if (v === '') return 'empty';
  if (typeof v === 'string') return `\`${v.replace(/\|/g, '\\|')}\``;
  if (v instanceof PyFloat) return String(v.v);
  if (Array.isArray(v)) return v.length ? `\`[${v.map((x) => String(x)).join(', ')}]\`` : 'empty';
  if (v instanceof PyDict)
    return v.size
      ? `\`{${[...v].map(([k, x]) => `${String(k)}: ${Array.isArray(x) ? `[${x.join(', ')}]` : String(x)}`).join(', ')}}\``
      : 'empty';
  return String(v);
}

test('the defaults on the page are the defaults in the code', () => {
  const master = defaultOptions('master', 'root', '/root');
  const minion = defaultOptions('minion', 'root', '/root');
  // What the page says in words: found at run time, or brought into another form.
  const worded = new Set(['id', 'user', 'event_log', 'job_queue', 'return', 'publish_port', 'ret_port']);
  const wrong: string[] = [];
  for (const row of rows) {
    const sides = [
      row.where !== 'minion' && master.has(row.name) ? shown(master.get(row.name)) : undefined,
      row.where !== 'master' && minion.has(row.name) ? shown(minion.get(row.name)) : undefined,
    ].filter((x) => x !== undefined);
    if (!sides.length || worded.has(row.name)) continue;
    const want = new Set(sides).size === 1 ? sides[0] : `${sides[0]} (master), ${sides[1]} (minion)`;
    if (row.default !== want) wrong.push(`${row.name}: the page says ${row.default}, the code ${want}`);
  }
  assert.deepEqual(wrong, []);
});

test('the examples of our own options are accepted without a warning', () => {
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((m) => m[1] as string);
  assert.ok(examples.length >= 2);
  for (const text of examples) {
    const said: string[] = [];
    ownOptions(loadYaml(text) as PyDict, new Log('docs', (r) => void said.push(r.message), LEVELS.warning));
    assert.deepEqual(said, [], text);
  }
});
