import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadYaml } from '../../sls/yaml.ts';
import { runYaml } from '../conformance/yaml.ts';

test('every recorded YAML text is read, or refused, as the reference does', () => {
  const all = runYaml('test/golden/sls');
  assert.ok(all.length > 100);
  assert.deepEqual(
    all.filter((o) => !o.ok),
    [],
  );
});

test('a refusal names file, line and column, and what was being read there', () => {
  assert.throws(() => loadYaml('a: [1, 2\nb: 3\n', { file: '/srv/x.sls' }), {
    name: 'ParserError',
    message:
      'while parsing a flow sequence\n  in "/srv/x.sls", line 1, column 4\n' +
      "did not find expected ',' or ']'\n  in \"/srv/x.sls\", line 2, column 2",
  });
});

test('aliases that would grow into millions of values are refused before they do', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 9; i++)
    lines.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  assert.throws(() => loadYaml(lines.join('\n')), /aliases make more than/);
  assert.throws(() => loadYaml('['.repeat(5000)), /nested deeper than/);
});
