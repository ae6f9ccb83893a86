import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import { LEVELS, Log } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { type Py, PyDict, toPy, type Wire } from '../../bus/values.ts';
import { loadModule } from '../../master/runner-call.ts';
import { compileReactions, type ReactionCall, type ReactionCtx, reactionCall } from '../../reactor/reaction.ts';
import { reactionRenderer } from '../../reactor/render.ts';
import { Rules } from '../../reactor/rules.ts';
import { argspec } from '../../sls/bind.ts';
import { loadYaml } from '../../sls/yaml.ts';

const page = readFileSync('docs/reactor.md', 'utf8');
const root = mkdtempSync(join(tmpdir(), 'brine-recipes-'));
after(() => rmSync(root, { recursive: true, force: true }));

interface Recipe {
  title: string;
  rule: string;
  sls: string;
  event: { tag: string; data: Wire };
  wanted: string[];
}

const sections = (page.split('## Cookbook\n')[1] ?? '').split('\n## ')[0]?.split(/^### /m).slice(1) ?? [];
const fences = (text: string, kind: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((m) => m[1] as string);

const recipes: Recipe[] = sections
  .filter((s) => !s.startsWith('In Python'))
  .map((s) => {
    const title = s.split('\n')[0] as string;
    const [rule, sls, ...more] = fences(s, 'yaml');
    const [event] = fences(s, 'json');
    const [wanted] = fences(s, 'text');
    assert.ok(rule && sls && event && wanted && !more.length, `${title}: a rule, a file, an event and its calls`);
    return { title, rule, sls, event: JSON.parse(event), wanted: wanted.trim().split('\n') };
  });

function contextOf(said: string[]): ReactionCtx {
  const opts = new Opts(new PyDict<Py>([['renderer', 'jinja|yaml']]));
  const log = new Log('reactor', (r) => void said.push(r.message), LEVELS.warning);
  return {
    opts,
    log,
    render: reactionRenderer(opts, log),
    cacheFile: () => undefined,
    argspec(client, fun) {
      const [module = '', name = ''] = fun.split('.');
      const found = loadModule(client, module)?.functions[name];
      return found ? argspec(found.sig) : undefined;
    },
  };
}

/** A call in one line, as the page shows it. */
function line(c: ReactionCall): string {
  const shown = ['tgt', 'tgt_type', 'expr_form'].flatMap((k) => {
    const v = c.extra[k];
    return v === undefined ? [] : [`${k}=${Array.isArray(v) ? v.join(',') : String(v)}`];
  });
  return [c.client, c.fun, ...shown].join(' ');
}

function compile(files: string[], event: Recipe['event']): { calls: ReactionCall[]; said: string[] } {
  const said: string[] = [];
  const ctx = contextOf(said);
  const chunks = compileReactions(files, event.tag, toPy(event.data) as PyDict, ctx);
  return { calls: chunks.flatMap((c) => reactionCall(c, ctx) ?? []), said };
}

test('the cookbook has recipes to check', () => assert.ok(recipes.length >= 8, `${recipes.length}`));

for (const r of recipes)
  test(`recipe: ${r.title}`, () => {
    const map = (loadYaml(r.rule) as PyDict).get('reactor') as Py[];
    const named = new Rules(map).match(r.event.tag);
    assert.equal(named.length, 1, 'the rule matches its event');
    const name = basename(named[0] as string);
    assert.ok(r.sls.startsWith(`# ${name}\n`), `the file is called ${name}`);
    const path = join(root, name);
    writeFileSync(path, r.sls);
    const { calls, said } = compile([path], r.event);
    assert.deepEqual(said, []);
    assert.deepEqual(calls.map(line), r.wanted);
    for (const c of calls) {
      const [module = '', fun = ''] = c.fun.split('.');
      if (c.client === 'runner' || c.client === 'wheel')
        assert.ok(loadModule(c.client, module)?.functions[fun], `${c.client} ${c.fun} is there`);
    }
  });

test('a template that looks before it acts asks for nothing when it need not', () => {
  const quiet = recipes.filter((r) => r.sls.includes('{% if'));
  assert.ok(quiet.length >= 2);
  for (const r of quiet) {
    const path = join(root, 'quiet.sls');
    writeFileSync(path, r.sls);
    const data = { ...(r.event.data as Record<string, Wire>), act: 'accept', retcode: 0 };
    assert.deepEqual(compile([path], { tag: r.event.tag, data }), { calls: [], said: [] }, r.title);
  }
});

test('recipe: In Python', {
  skip: spawnSync('python3', ['--version']).status === 0 ? false : 'no python3 here',
}, () => {
  const [source = ''] = fences(page, 'python');
  const path = join(root, 'clean.sls');
  writeFileSync(path, source);
  const full = compile([path], { tag: 'disk/web1/full', data: { id: 'web1', free: 3 } });
  assert.deepEqual(full.said, []);
  assert.deepEqual(full.calls.map(line), ['local state.apply tgt=web1']);
  assert.deepEqual(compile([path], { tag: 'disk/web1/full', data: { id: 'web1', free: 50 } }).calls, []);
});
