import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Opts } from '../../../bus/opts.ts';
import { PyDict, PyTuple, toPy } from '../../../bus/values.ts';
import { display } from '../../../sls/output/output.ts';
import { printData, startOutputFile } from '../../../sls/output/print.ts';
import { pformat } from '../../../sls/pprint.ts';
import { splitLines, wrapText } from '../../../sls/text-layout.ts';

const opts = (more: Record<string, unknown> = {}): Opts => new Opts().with({ color: false, ...more } as never);

test('escape characters in an answer do not reach the terminal', () => {
  assert.equal(display(toPy({ a: '\x1b[31mred' }), '', opts()), 'a:\n    ?[31mred');
  assert.equal(display(toPy({ a: '\x1b[31mred' }), '', opts({ strip_colors: false })), 'a:\n    \x1b[31mred');
});

test('what an outputter cannot show is shown nested, and the data is left as it was', () => {
  const data = toPy({ m: { 'test_|-a_|-a_|-nop': { result: true, duration: 1.5, __run_num__: 0 } } });
  const before = JSON.stringify([...(data as PyDict)].map(([, v]) => [...(v as PyDict).keys()]));
  assert.match(display(data, 'highstate', opts({ state_output: 'full' })), /^m:\n {4}----------\n {4}test_\|-a/);
  assert.equal(JSON.stringify([...(data as PyDict)].map(([, v]) => [...(v as PyDict).keys()])), before);
  assert.equal(display(toPy({ a: [1] }), 'table', opts({ output: 'table' })), 'a:\n    - 1');
});

test('braces in a warning are text, not a template', () => {
  const ret = {
    name: 'a',
    result: true,
    comment: '',
    changes: {},
    __run_num__: 0,
    duration: 1.5,
    start_time: '12',
    warnings: ['{odd}'],
  };
  const text = display(
    toPy({ m: { 'test_|-a_|-a_|-nop': ret } }),
    'highstate',
    opts({ state_output: 'terse', state_verbose: true }),
  );
  assert.match(text, /^m:\nWarnings:\n\{odd\} {2}Name: a - Function: test\.nop - Result: Clean/);
});

test('long values are laid out as by pprint', () => {
  assert.equal(
    pformat(toPy({ long: Array.from({ length: 4 }, (_, i) => `${i} ${'word '.repeat(4)}`), b: new PyTuple() })),
    "{'b': (),\n 'long': ['0 word word word word ',\n          '1 word word word word ',\n          '2 word word word word ',\n          '3 word word word word ']}",
  );
  assert.match(pformat('word '.repeat(30)), /^\('word [^\n]+'\n 'word /);
});

test('lines end where Python ends them and are filled without breaking words', () => {
  assert.deepEqual(splitLines('a\r\nb\u2028c\x0bd\n'), ['a', 'b', 'c', 'd']);
  assert.deepEqual(wrapText('one two-three four', 9, '  '), ['  one', '  two-', '  three', '  four']);
  assert.deepEqual(wrapText('abcdefghij', 4), ['abcd', 'efgh', 'ij']);
});

test('an output file is started anew but keeps its mode, or is added to', () => {
  const dir = mkdtempSync(join(tmpdir(), 'out-'));
  try {
    const file = join(dir, 'out.txt');
    writeFileSync(file, 'old\n', { mode: 0o600 });
    const nothing = (): void => assert.fail('printed');
    const o = opts({ output_file: file });
    startOutputFile(o);
    printData(toPy({ a: 1 }), '', o, nothing);
    printData(new PyDict(), '', o, nothing);
    assert.equal(readFileSync(file, 'utf8'), 'a:\n    1\n');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    startOutputFile(opts({ output_file: file, output_file_append: true }));
    printData('more', '', o, nothing);
    assert.equal(readFileSync(file, 'utf8'), 'a:\n    1\nmore\n');
  } finally {
    rmSync(dir, { recursive: true });
  }
});
