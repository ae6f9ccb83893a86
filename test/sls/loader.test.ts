import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { quietLog } from '../../bus/log.ts';
import { PluginFolder, type PluginKind, type Virtual } from '../../sls/loader.ts';

interface Plug {
  functions: Record<string, unknown>;
  virtual?: () => Virtual;
}
const root = mkdtempSync(join(tmpdir(), 'brine-loader-'));
after(() => rmSync(root, { recursive: true, force: true }));

const loads = (name: string): string => `globalThis.loadedPlugs = [...(globalThis.loadedPlugs ?? []), '${name}'];\n`;
const seen = (): string[] => {
  const held = globalThis as { loadedPlugs?: string[] };
  const out = held.loadedPlugs ?? [];
  held.loadedPlugs = [];
  return out;
};
function folder(name: string, files: Record<string, string>, more: Partial<PluginKind<Plug>> = {}): PluginFolder<Plug> {
  const dist = join(root, name);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dist, file)), { recursive: true });
    writeFileSync(join(dist, file), text);
  }
  return new PluginFolder<Plug>({
    folder: 'plugs',
    dist: join(dist, 'dist'),
    dirs: [join(dist, 'own')],
    log: quietLog,
    accepts: (v): v is Plug => typeof v === 'object' && v !== null && 'functions' in v,
    virtual: (p) => p.virtual?.() ?? true,
    ...more,
  });
}
const built = {
  'dist/plugs/test.js': `${loads('test')}exports.default = { functions: { ping: 1 } };`,
  'dist/plugs/aptpkg.js': `${loads('aptpkg')}exports.default = { functions: { install: 1 }, virtual: () => 'pkg' };`,
  'dist/plugs/yumpkg.js': `${loads('yumpkg')}exports.default = { functions: {}, virtual: () => ({ reason: 'no yum' , as: 'pkg' }) };`,
  'dist/plugs/systemd.js': `${loads('systemd')}exports.default = { functions: {}, virtual: () => 'service' };`,
};

test('calling a function loads its own module and no other', () => {
  const plugs = folder('lazy', built);
  assert.deepEqual(plugs.files(), ['aptpkg', 'systemd', 'test', 'yumpkg']);
  assert.ok(plugs.get('test'));
  assert.ok(plugs.get('test'));
  assert.deepEqual(seen(), ['test']);
});

test('a module that answers to another name is found by it, without loading unrelated ones', () => {
  const plugs = folder('virtual', built);
  assert.ok('install' in (plugs.get('pkg') as Plug).functions);
  assert.ok(!seen().includes('systemd'));
  assert.equal(plugs.get('aptpkg'), undefined);
  assert.equal(plugs.get('yumpkg'), undefined);
  assert.equal(plugs.why('yumpkg'), 'no yum');
  assert.deepEqual([...plugs.all().keys()], ['pkg', 'service', 'test']);
  assert.equal(plugs.get('nothing'), undefined);
});

test("operators' files come first, in JavaScript or TypeScript, and are read anew after a refresh", () => {
  const plugs = folder('operators', {
    ...built,
    'own/test.ts': 'const n: number = 7;\nexport default { functions: { ping: n } };',
    'own/plain.js': 'module.exports = { functions: { a: require("node:path").sep } };',
    'own/modern.js': "import { sep } from 'node:path';\nexport default { functions: { a: sep } };",
  });
  assert.equal(plugs.get('test')?.functions['ping'], 7);
  assert.ok(plugs.isOperators('test') && !plugs.isOperators('aptpkg'));
  assert.equal(plugs.get('plain')?.functions['a'], '/');
  assert.equal(plugs.get('modern')?.functions['a'], '/');
  writeFileSync(join(root, 'operators/own/test.ts'), 'export default { functions: { ping: 8 } };');
  assert.equal(plugs.get('test')?.functions['ping'], 7);
  plugs.refresh();
  assert.equal(plugs.get('test')?.functions['ping'], 8);
});

test('files that are no plug-ins are refused by name and leave the others alone', () => {
  const plugs = folder('broken', {
    ...built,
    'own/wrong.js': 'module.exports = 5;',
    'own/syntax.ts': 'export default {',
    'own/snake.py': 'def ping(): return True',
  });
  assert.throws(() => plugs.get('wrong'), { name: 'LoaderError', message: /wrong\.js exports no plug-in of plugs/ });
  assert.throws(() => plugs.get('syntax'), {
    name: 'LoaderError',
    message: /syntax\.ts does not load: Transform failed/,
  });
  assert.throws(() => plugs.get('snake'), { name: 'LoaderError', message: /needs the Python bridge/ });
  assert.throws(() => plugs.load('absent'), { name: 'LoaderError', message: /There is no absent/ });
  assert.deepEqual([...plugs.all().keys()], ['pkg', 'service', 'test']);
});

test('disabled modules and those beside a whitelist do not load', () => {
  assert.equal(folder('disabled', built, { disabled: ['test'] }).get('test'), undefined);
  const plugs = folder('white', built, { whitelist: ['test'] });
  assert.ok(plugs.get('test'));
  assert.equal(plugs.get('pkg'), undefined);
  assert.match(plugs.why('pkg') ?? '', /not in the whitelist/);
  assert.deepEqual([...plugs.all().keys()], ['test']);
});

test('a Python file loads through the bridge where there is one', () => {
  const python = (path: string, name: string): Plug => ({ functions: { [name]: path.endsWith('.py') } });
  const plugs = folder('python', { ...built, 'own/snake.py': '' }, { python });
  assert.deepEqual(plugs.get('snake')?.functions, { snake: true });
});
