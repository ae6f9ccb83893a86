import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Opts } from '../../bus/opts.ts';
import {
  CommandLineExit,
  helpText,
  mergeCommandLine,
  type ProgramName,
  parseCommandLine,
  selectedTarget,
} from '../../sls/cli-options.ts';

const parse = (program: ProgramName, ...argv: string[]) =>
  parseCommandLine(program, argv, { env: { HOME: '/nonexistent' }, cwd: '/' });
const refused = (...argv: string[]): CommandLineExit => {
  try {
    parse('salt', ...argv);
  } catch (e) {
    if (e instanceof CommandLineExit) return e;
    throw e;
  }
  return assert.fail('was accepted');
};

test('options may stand anywhere, be joined, cut short, or given with an equals sign', () => {
  const line = parse('salt', '-vt3', 'web*', '--stati', 'cmd.run', '--out=json', 'ls', '-b', '10%', '--', '--literal');
  assert.deepEqual(line.args, ['web*', 'cmd.run', 'ls', '--literal']);
  const { options } = line;
  assert.deepEqual(
    ['verbose', 'timeout', 'static', 'output', 'batch', 'delimiter', 'output_indent'].map((k) => options.get(k)),
    [true, 3, true, 'json', '10%', ':', null],
  );
  assert.ok(line.explicit.has('timeout') && !line.explicit.has('delimiter'));
});

test('one letter says how the target is to be read, and only one may', () => {
  assert.equal(selectedTarget(parse('salt', '-G', 'os:x', 'test.ping')), 'grain');
  assert.equal(selectedTarget(parse('salt', 'a', 'test.ping', '-I')), 'pillar');
  assert.equal(selectedTarget(parse('salt', 'a', 'test.ping')), undefined);
  assert.match(
    refused('-E', '-L', 'a', 'b').stderr,
    /The options --pcre\/--list are mutually exclusive\. Please only choose one of them\n$/,
  );
});

test('mistakes end the program with usage, reason and exit code 64', () => {
  for (const [argv, reason] of [
    [['--nope'], 'no such option: --nope'],
    [['-vZ'], 'no such option: -Z'],
    [['-t'], '-t option requires 1 argument'],
    [['--out'], '--out option requires 1 argument'],
    [['--static=x'], '--static option does not take a value'],
    [['-t', 'soon'], "option -t: invalid integer value: 'soon'"],
    [['--ver'], 'ambiguous option: --ver (--verbose, --version, --versions-report?)'],
  ] as const) {
    const e = refused(...argv);
    assert.equal(e.exitCode, 64);
    assert.equal(e.stderr, `Usage: salt [options] '<target>' <function> [arguments]\n\nsalt: error: ${reason}\n`);
  }
  assert.match(refused('-l', 'loud').stderr, /option -l: invalid choice: 'loud' \(choose from 'all', 'debug'/);
});

test("what was given wins over the configuration, whose values win over the options' own defaults", () => {
  const config = new Opts().with({ timeout: 15, state_output: 'terse', output: null });
  const line = parse('salt', '--state-output=full', 'a', 'test.ping');
  const opts = mergeCommandLine(config, line);
  assert.deepEqual([opts.get('timeout'), opts.get('state_output'), opts.get('delimiter')], [15, 'full', ':']);
  assert.equal(line.options.get('timeout'), 15);
  assert.ok(!opts.has('output_indent'));
});

test('every option of the reference is there under its name', () => {
  const cases = JSON.parse(readFileSync('test/golden/cli/cli.json', 'utf8')) as {
    name: string;
    argv: [ProgramName, ...string[]];
    exit_code: number;
    stderr: string;
  }[];
  let asked = 0;
  for (const { name, argv, exit_code, stderr } of cases) {
    const [program, ...words] = argv;
    if (!['salt', 'salt-key', 'salt-run', 'salt-call', 'salt-cp'].includes(program)) continue;
    asked++;
    const blankless = (s: string): string => s.replace(/\n\n/g, '\n');
    try {
      parse(program, ...words);
      assert.ok(exit_code !== 64 || /Insufficient arguments|Requires function/.test(stderr), name);
    } catch (e) {
      if (!(e instanceof CommandLineExit)) throw e;
      assert.equal(e.exitCode, exit_code, name);
      assert.equal(blankless(e.stderr), stderr, name);
    }
  }
  assert.ok(asked > 100);
});

test('help names every option in columns that fit the terminal', () => {
  for (const program of [
    'salt',
    'salt-key',
    'salt-run',
    'salt-call',
    'salt-master',
    'salt-minion',
    'salt-cp',
  ] as const) {
    const lines = helpText(program).split('\n');
    assert.ok(lines[0]?.startsWith(`Usage: ${program} [options]`));
    assert.ok(lines.some((l) => l.includes('-c CONFIG_DIR, --config-dir=CONFIG_DIR')));
    const wide = lines.filter((l) => l.length > 79 && !l.trimStart().startsWith('-'));
    assert.deepEqual(wide, [], program);
  }
});
