// Packs each command line: its own code and all chunks that it loads at start go into one file beside it, with V8's compiled code kept in another.
// Finding, reading and compiling fifty files takes a third of what `salt-call --local test.ping` costs. Modules keep their names in Node's cache,
// so what is loaded later (plug-ins) shares them. A cache that does not fit (another Node, other flags) is passed over by V8.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';

/** What is run once to learn which functions a start needs, in a folder without any daemon. Others are run with --help. */
const TRIALS = {
  'salt-call': ['--local', 'test.ping'],
  'salt-key': ['-L'],
  salt: ['*', 'test.ping'],
  'salt-run': ['jobs.active'],
};
/** Daemons start rarely and stay; a packed text would only lie in their memory. */
const DAEMONS = new Set(['salt-master', 'salt-minion', 'salt-api', 'salt-syndic', 'brine']);

/** Chunks loaded by a file's own first lines; those inside functions come later or never. */
function eager(text) {
  return [...text.matchAll(/^(?:var \w+ = (?:__toESM\()?)?require\("(\.[^"]+)"\)\)?;$/gm)].map((m) => m[1]);
}

function closure(out, entry) {
  const found = new Map();
  const visit = (name) => {
    if (found.has(name)) return;
    const text = readFileSync(join(out, name), 'utf8');
    found.set(name, text);
    for (const spec of eager(text)) visit(posix.join(posix.dirname(name), spec));
  };
  visit(entry);
  return found;
}

const starter = (file, up) => `'use strict';
const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');
const path = require('node:path');
const file = path.join(__dirname, ${JSON.stringify(file)});
let cachedData;
try {
  cachedData = readFileSync(file + '.cache');
} catch {}
const script = new Script(readFileSync(file, 'latin1'), { filename: file, cachedData });
if (process.env.BRINE_PACK) process.once('exit', () => writeFileSync(file + '.cache', script.createCachedData()));
script.runInThisContext()(require, module, path.resolve(__dirname, ${JSON.stringify(up)}));
`;

const packed = (entry, files) => `(function (require, main, dist) {
const Module = require('node:module');
const path = require('node:path');
const made = { __proto__: null };
const texts = { __proto__: null,
${[...files].map(([name, text]) => `${JSON.stringify(name)}: function (exports, require, module, __filename, __dirname) {${text}\n}`).join(',\n')}
};
const load = (name) => {
  const m = made[name];
  if (m) return m.exports;
  const file = dist + path.sep + name.replaceAll('/', path.sep);
  const there = Module._cache[file];
  const own = name === ${JSON.stringify(entry)} ? main : there ?? new Module(file, main);
  made[name] = own;
  if (there && own !== main) return own.exports;
  own.filename = file;
  Module._cache[file] = own;
  const folder = path.dirname(file);
  const base = path.posix.dirname(name);
  let real;
  const find = (spec) => {
    if (spec.startsWith('node:')) return require(spec);
    if (spec[0] === '.') {
      const inside = path.posix.join(base, spec);
      if (texts[inside]) return load(inside);
    }
    real ??= Module.createRequire(file);
    return real(spec);
  };
  find.resolve = (...a) => Module.createRequire(file).resolve(...a);
  find.cache = Module._cache;
  find.main = main;
  texts[name].call(own.exports, own.exports, find, own, file, folder);
  own.loaded = true;
  return own.exports;
};
load(${JSON.stringify(entry)});
})`;

/**
 * Letters beyond ASCII as escapes: a file of one byte a letter is read and held for half the price. esbuild leaves them in comments and
 * regular expressions only, where the escape means the same.
 */
function plain(text) {
  return text.replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The flags that a launcher gives to Node: compiled code fits one set of flags only. */
function flagsOf(root, program) {
  const launcher = join(root, 'bin', program);
  if (!existsSync(launcher)) return [];
  const found = /^exec "\$\{BRINE_NODE:-node\}"(.*?)"\$root/m.exec(readFileSync(launcher, 'utf8'));
  return (found?.[1] ?? '').split(' ').filter(Boolean);
}

/** Packs what is in the `cli` folders of these rooms; `root` holds the launchers. */
export function packCommands(root, out, rooms) {
  const place = mkdtempSync(join(tmpdir(), 'brine-pack-'));
  for (const role of ['master', 'minion'])
    writeFileSync(join(place, role), `root_dir: ${place}\nsock_dir: ${place}/run\npki_dir: ${place}/pki\nid: pack\n`);
  mkdirSync(join(place, 'pki', 'minions'), { recursive: true });
  try {
    for (const room of rooms) {
      const dir = join(out, room, 'cli');
      if (!existsSync(dir)) continue;
      for (const n of readdirSync(dir)) {
        const program = n.slice(0, -3);
        if (!n.endsWith('.js') || DAEMONS.has(program)) continue;
        const entry = `${room}/cli/${n}`;
        writeFileSync(join(dir, `${program}.pack`), plain(packed(entry, closure(out, entry))));
        writeFileSync(join(dir, n), starter(`${program}.pack`, '../..'));
        const words = TRIALS[program] ? ['-c', place, ...TRIALS[program]] : ['--help'];
        spawnSync(process.execPath, [...flagsOf(root, program), join(dir, n), ...words], {
          stdio: 'ignore',
          timeout: 20_000,
          env: { PATH: process.env.PATH, HOME: place, BRINE_PACK: '1' },
        });
      }
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
