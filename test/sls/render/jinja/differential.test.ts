import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { SaltError } from '../../../../bus/errors.ts';
import { parseJson } from '../../../../sls/json.ts';
import { renderJinja } from '../../../../sls/render/jinja.ts';
import { deepCopy, dict, type Py, PyDict, strOf } from '../../../../sls/values.ts';

/** Templates with what Salt 3008.5 (Jinja 3.1.6) made of them: family, context, options, source, text or error. */
const data = parseJson(readFileSync('test/sls/render/jinja/fixtures/differential.json', 'utf8')) as PyDict;
const contexts = data.get('contexts') as PyDict[];
const files = data.get('files') as PyDict;
const cases = data.get('cases') as [string, number, Py, string, Py][];

function render(template: string, context: PyDict, options: Py): string {
  const opts = new PyDict<Py>([['file_client', 'local'], ...(options instanceof PyDict ? options : [])]);
  const variables = new PyDict<Py>([
    ['opts', opts],
    ['saltenv', 'base'],
    ['env', 'base'],
    ['sls', ''],
    ['grains', dict({ os: 'Debian' })],
    ['pillar', dict({ app: dict({ port: 8080 }) })],
    ['salt', new PyDict()],
    ...deepCopy(context),
  ]);
  const find = (path: string): { path: string; source: string } | undefined => {
    const source = strOf(files.get(posix.normalize(path)) ?? null);
    return source === undefined ? undefined : { path: `/srv/salt/${path}`, source };
  };
  try {
    return renderJinja(template, variables, { opts, find });
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    return `error ${e.code}: ${e.message.split('\n')[0]}`;
  }
}

for (const family of ['core', 'filters', 'modules', 'space'])
  test(`templates of the family ${family} render as the reference does`, () => {
    const wrong: string[] = [];
    let n = 0;
    for (const [of, context, options, template, expected] of cases) {
      if (of !== family) continue;
      n++;
      const got = render(template, contexts[context] as PyDict, options);
      const want = expected instanceof PyDict ? `error ${String(expected.get('error'))}` : expected;
      if (got !== want) wrong.push(`${template}\n  got  ${got}\n  want ${String(want)}`);
    }
    assert.ok(n > 50, `${n} cases`);
    assert.deepEqual(wrong, []);
  });
