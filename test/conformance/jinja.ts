/** Runs recorded template cases against the engine: any file of that form. */
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { parseJson } from '../../sls/json.ts';
import { type CallSource, renderJinja, SaltLookup } from '../../sls/render/jinja.ts';
import { dict, type Py, PyDict, strOf } from '../../sls/values.ts';
import { besides } from './case-files.ts';

/** The outcome of one recorded case; `detail` tells both sides of a difference. */
export interface CaseResult {
  name: string;
  ok: boolean;
  detail?: string;
}

/** The machine of the recordings, for execution functions that the caller brings along. */
export interface JinjaMachine {
  grains: PyDict;
  pillar: PyDict;
  opts: PyDict;
}

/** Object addresses and today's date differ from run to run. */
function normal(text: string, today: string): string {
  return text.replace(/0x[0-9a-f]{6,}/g, '0xADDR').replaceAll(today, 'TODAY');
}

/**
 * Every case of a recorded file. `salt` makes the execution functions of the recorded machine; without it `salt` is empty.
 * A case whose expected text holds the recording's date is compared with today's.
 */
export function runJinja(file: string, salt?: (machine: JinjaMachine) => CallSource): CaseResult[] {
  const cases = parseJson(readFileSync(file, 'utf8')) as PyDict[];
  const grains = parseJson(readFileSync(besides(file, 'grains.json'), 'utf8')) as PyDict;
  const today = new Date();
  const stamp = `${today.getFullYear()}-${String(today.getMonth() + 1).padStart(2, '0')}-${String(today.getDate()).padStart(2, '0')}`;
  return cases.map((c) => {
    const pillar = dict({
      app: dict({ port: 8080, hosts: ['h1', 'h2'], opt: dict({ deep: dict({ er: true }) }) }),
    });
    const opts = new PyDict<Py>([
      ['file_client', 'local'],
      ['id', 'm1'],
    ]);
    const given = c.get('opts');
    if (given instanceof PyDict) for (const [k, v] of given) opts.set(k, v);
    const table = salt?.({ grains, pillar, opts }) ?? EMPTY;
    const context = new PyDict<Py>([
      ['opts', opts],
      ['saltenv', 'base'],
      ['env', 'base'],
      ['sls', ''],
      ['grains', grains],
      ['pillar', pillar],
      ['salt', new SaltLookup(table, new Map(), 'salt.loader.lazy._WriteThroughLoader')],
    ]);
    const more = c.get('context');
    if (more instanceof PyDict) for (const [k, v] of more) context.set(k, v);
    const files = c.get('files');
    const find = (path: string): { path: string; source: string } | undefined => {
      const text = files instanceof PyDict ? strOf(files.get(posix.normalize(path)) ?? null) : undefined;
      return text === undefined ? undefined : { path: `/root/base/${path}`, source: text };
    };
    let got: string;
    try {
      got = renderJinja(c.get('template') as string, context, { opts, find });
    } catch (e) {
      if (!(e instanceof SaltError))
        return { name: c.get('name') as string, ok: false, detail: `crash: ${String((e as Error).stack)}` };
      got = `${e.code}: ${e.message.split('\n')[0]}`;
    }
    const expected = c.get('expected') as Py;
    let want: string;
    if (expected instanceof PyDict) {
      const error = expected.get('error') as PyDict;
      want = `${String(error.get('class'))}: ${String(error.get('message'))}`;
    } else want = expected as string;
    const name = c.get('name') as string;
    const recordedToday = /\|\s*(?:strftime|date_format)\s*(?:\(\))?\s*}}/.test(c.get('template') as string)
      ? want.replace(/20\d\d-\d\d-\d\d$/, stamp)
      : want;
    const ok = normal(got, stamp) === normal(recordedToday, stamp);
    return ok ? { name, ok } : { name, ok, detail: `got  ${JSON.stringify(got)}\nwant ${JSON.stringify(want)}` };
  });
}
const EMPTY: CallSource = { has: () => false, names: () => [], call: () => null };
