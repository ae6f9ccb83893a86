import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runYaml } from '../conformance/yaml.ts';

test('every recorded YAML text is read, or refused, as the reference does', () => {
  const all = runYaml('test/golden/sls');
  assert.ok(all.length > 100);
  assert.deepEqual(
    all.filter((o) => !o.ok),
    [],
  );
});
