import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../../../bus/log.ts';
import { Opts } from '../../../bus/opts.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { compileTemplate, renderersWith } from '../../../sls/render/pipeline.ts';

const lines: string[] = [];
const log = new Log('render', (r) => lines.push(`${r.level}: ${r.message}`), 30);
/** A template language of two words: enough to see what reaches the next stage. */
const renderers = renderersWith({
  jinja: (input, ctx) =>
    String(input)
      .replaceAll('{{ x }}', String(ctx.context.get('x')))
      .replaceAll('{{ args }}', ctx.argline),
});
function render(source: string, opts: Record<string, Py> = {}): Py {
  lines.length = 0;
  const context = new PyDict<Py>([['x', 7]]);
  const o = new Opts(new PyDict(Object.entries(opts)));
  return compileTemplate(source, { opts: o, log, context, path: '/srv/a.sls', saltenv: 'base', sls: 'a' }, renderers);
}
const entries = (v: Py): [Py, Py][] => [...(v as PyDict)];

test('a file goes through the renderers of its first line, or through the configured ones', () => {
  assert.deepEqual(entries(render('a: {{ x }}\n')), [['a', 7]]);
  assert.deepEqual(entries(render('#!yaml\na: "{{ x }}"\n')), [['a', '{{ x }}']]);
  assert.deepEqual(entries(render('#!json\n{"a": 1}')), [['a', 1]]);
  assert.deepEqual(entries(render('#!yaml_jinja\na: {{ x }}\n')), [['a', 7]]);
  assert.deepEqual(entries(render('#!jinja -s|yaml\na: {{ args }}\n')), [['a', '-s']]);
  assert.deepEqual(entries(render('#!/bin/sh\na: {{ x }}\n')), [['a', 7]]);
  assert.deepEqual(entries(render('a: "{{ x }}"\n', { renderer: 'yaml' })), [['a', '{{ x }}']]);
  assert.deepEqual(entries(render('a: {{ x }}\r\nb: 1\r\n')), [
    ['a', 7],
    ['b', 1],
  ]);
  assert.equal(render('#!jinja\nhi {{ x }}'), '#!jinja\nhi 7');
});

test('an empty or blank file is an empty dict, and a blank one is reported', () => {
  assert.equal((render('') as PyDict).size, 0);
  assert.deepEqual(lines, []);
  assert.equal((render(' \n ') as PyDict).size, 0);
  assert.deepEqual(lines, ['error: Template is nothing but whitespace: /srv/a.sls']);
  assert.equal((render('# only a comment\n') as PyDict).size, 0);
});

test('unknown and disallowed renderers are reported, and nothing is guessed in their place', () => {
  assert.equal((render('#!jinja|nope\na: 1\n') as PyDict).size, 0);
  assert.deepEqual(lines, ['error: The renderer "jinja|nope" is not available']);
  assert.deepEqual(entries(render('a: "{{ x }}"\n', { renderer_blacklist: ['jinja'] })), [['a', '{{ x }}']]);
  assert.deepEqual(lines, ['warning: The renderer "jinja" is disallowed by configuration and will be skipped.']);
  assert.deepEqual(entries(render('a: "{{ x }}"\n', { renderer_whitelist: ['yaml'] })), [['a', '{{ x }}']]);
});

test('an error in the rendered YAML has the reference text, and the file and place beside it', () => {
  const place = { file: '/srv/a.sls', line: 2, column: 5, problem: 'mapping values are not allowed in this context' };
  assert.throws(() => render('a: 1\n b: {{ x }}: 3\n'), {
    name: 'SaltRenderError',
    message: 'mapping values are not allowed in this context',
    details: { ...place, column: 3 },
  });
  assert.throws(() => render('a: [1\n'), {
    name: 'SaltRenderError',
    message:
      'while parsing a flow sequence\n  in "<unicode string>", line 1, column 4\n' +
      "did not find expected ',' or ']'\n  in \"<unicode string>\", line 2, column 1",
  });
  assert.throws(() => render('a: *b\n'), {
    name: 'ComposerError',
    message: /found undefined alias/,
    details: { file: '/srv/a.sls', stage: 'yaml', line: 1, column: 4 },
  });
  assert.throws(() => render('#!json\n{"a": '), {
    name: 'ValueError',
    message: 'Expecting value: line 1 column 7 (char 6)',
  });
  assert.throws(() => render('#!py\ndef run(): return {}\n'), {
    name: 'SaltRenderError',
    message: /needs the Python bridge/,
  });
  assert.throws(() => render('#!yaml|json\na: 1\n'), {
    message: "'collections.OrderedDict' object has no attribute 'read'",
  });
});
