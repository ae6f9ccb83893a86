import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type PyDict, toWire, type WireMap } from '../../../bus/values.ts';
import { decodeOutput } from '../../../minion/modules/cmd/decode.ts';
import cmd from '../../../minion/modules/cmd.ts';
import { shellQuote, shellSplit } from '../../../minion/process/shell-words.ts';
import { type Setting, smallMinion } from './small-minion.ts';

const minion = (s: Setting = {}) => smallMinion({ cmd }, s);
const map = (v: unknown): WireMap => toWire(v as PyDict) as WireMap;
const root = process.getuid?.() === 0;
const shell = '/bin/sh';

test('a command without a shell gets its words as written', () => {
  assert.equal(minion().call('cmd.run', ["echo 'a b' ; echo $HOME"]), 'a b ; echo $HOME');
});

test('a list is run word for word, numbers included', () => {
  assert.equal(minion().call('cmd.run', [['echo', 'a b', 3]]), 'a b 3');
});

test('python_shell=True hands the line to the shell', () => {
  assert.equal(minion().call('cmd.run', ['echo a | tr a b'], { python_shell: true, shell }), 'b');
});

test('a call from the command line uses the shell by default and one from a template does not', () => {
  const m = minion();
  assert.equal(m.call('cmd.run', ['echo $((1+1))'], { shell, __pub_jid: '20300101000000000000' }), '2');
  assert.equal(m.call('cmd.run', ['echo $((1+1))'], { shell }), '$((1+1))');
});

test('cmd_safe: False makes the shell the default everywhere', () => {
  assert.equal(minion({ opts: { cmd_safe: false } }).call('cmd.run', ['echo $((1+1))'], { shell }), '2');
});

test('both streams of cmd.run come in the order they were written', () => {
  const line = 'echo 1; echo 2 >&2; echo 3; echo 4 >&2';
  assert.equal(minion().call('cmd.run', [line], { python_shell: true, shell }), '1\n2\n3\n4');
});

test('a program can open its own output again by name', () => {
  const line = 'echo out > /dev/stdout; echo err > /dev/stderr';
  const r = map(minion().call('cmd.run_all', [line], { python_shell: true, shell }));
  assert.deepEqual([r['stdout'], r['stderr']], ['out', 'err']);
});

test('more output than a pipe holds arrives whole on both streams', () => {
  const line =
    'i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; echo 0123456789012345678901234567890123456789 >&2; i=$((i+1)); done';
  const r = map(minion().call('cmd.run_all', [line], { python_shell: true, shell, output_loglevel: 'quiet' }));
  assert.equal((r['stdout'] as string).length, 3000 * 41 - 1);
  assert.equal((r['stderr'] as string).length, 3000 * 41 - 1);
});

test('the answer waits for what a shell left in the background, as long as it writes', () => {
  assert.equal(
    minion().call('cmd.run', ['(sleep 0.2; echo late) & echo soon'], { python_shell: true, shell }),
    'soon\nlate',
  );
});

test('an unknown program is an error in the words of the reference', () => {
  assert.throws(() => minion().call('cmd.run', ['no-such-program x'], { cwd: '/' }), {
    name: 'CommandExecutionError',
    message:
      "Unable to run command '['no-such-program', 'x']' with the context '{'cwd': '/', 'shell': False, 'stdout': -1, 'stderr': -2, 'with_communicate': True, 'timeout': None, 'bg': False, 'close_fds': True}', reason: [Errno 2] No such file or directory: 'no-such-program'",
  });
});

test('a file that may not be executed is refused, also when it is only text without an interpreter', () => {
  const dir = mkdtempSync(join(tmpdir(), 'cmd-'));
  try {
    writeFileSync(join(dir, 'plain'), 'echo hi\n', { mode: 0o644 });
    assert.throws(() => minion().call('cmd.run', [join(dir, 'plain')]), /\[Errno 13\] Permission denied: '.*plain'/);
    assert.throws(() => minion().call('cmd.run', [dir]), /\[Errno 13\] Permission denied/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('an open quote is a ValueError and an empty command an IndexError', () => {
  assert.throws(() => minion().call('cmd.run', ["echo 'abc"]), { name: 'ValueError', message: 'No closing quotation' });
  assert.throws(() => minion().call('cmd.run', ['']), { name: 'IndexError', message: 'list index out of range' });
});

test('the return code is answered and becomes the job’s', () => {
  const m = minion();
  assert.equal(m.call('cmd.retcode', ['exit 3'], { python_shell: true, shell }), 3);
  assert.equal(m.ctx.context.get('retcode'), 3);
  m.call('cmd.run', ['true']);
  assert.equal(m.ctx.context.get('retcode'), 0);
  m.call('cmd.run', ['false'], { ignore_retcode: true });
  assert.equal(m.ctx.context.get('retcode'), 0);
});

test('a signal is a negative return code', () => {
  assert.equal(minion().call('cmd.retcode', ['kill -9 $$'], { python_shell: true, shell }), -9);
});

test('success_retcodes, success_stdout and success_stderr turn a failure into success', () => {
  const m = minion();
  const code = (kw: WireMap) => m.call('cmd.retcode', ['echo good; exit 5'], { python_shell: true, shell, ...kw });
  assert.equal(code({}), 5);
  assert.equal(code({ success_retcodes: '4, 5' }), 0);
  assert.equal(code({ success_retcodes: [5] }), 0);
  assert.equal(code({ success_stdout: ['good'] }), 0);
  assert.equal(code({ success_stdout: 'bad' }), 5);
  assert.throws(() => code({ success_retcodes: 'x' }), {
    name: 'SaltInvocationError',
    message: 'success_retcodes must be a list of integers',
  });
});

test('a time limit kills the command and everything it started, and says so', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'cmd-'));
  try {
    const m = minion();
    const line = `(sleep 1.2; echo alive > ${dir}/late) & sleep 5`;
    const begun = Date.now();
    const r = map(m.call('cmd.run_all', [line], { python_shell: true, shell, timeout: 0.3 }));
    assert.ok(Date.now() - begun < 1100);
    assert.equal(r['stdout'], `${line} : Timed out after 0.3 seconds`);
    assert.equal(r['retcode'], 1);
    assert.equal(m.call('cmd.run', ['sleep 5'], { timeout: 0.2 }), "['sleep', '5'] : Timed out after 0.2 seconds");
    await new Promise((done) => setTimeout(done, 1300));
    assert.equal(existsSync(join(dir, 'late')), false);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('a time limit that is no number is refused', () => {
  assert.throws(() => minion().call('cmd.run', ['true'], { timeout: 'soon' }), {
    name: 'TimedProcTimeoutError',
    message: 'Error: timeout soon must be a number',
  });
});

test('stdin takes \\n as a line end unless stdin_raw_newlines is given', () => {
  const m = minion();
  assert.equal(m.call('cmd.run', ['cat'], { stdin: 'a\\nb' }), 'a\nb');
  assert.equal(m.call('cmd.run', ['cat'], { stdin: 'a\\nb', stdin_raw_newlines: true }), 'a\\nb');
});

test('env adds to the environment, clean_env leaves nothing else, and the locale is C', () => {
  const m = minion();
  const lines = (
    m.call('cmd.run', ['env'], { clean_env: true, env: [{ A: 1 }, { B: true }, { C: null }] }) as string
  ).split('\n');
  assert.deepEqual(lines.slice(0, 3), ['A=1', 'B=True', 'C=']);
  assert.ok(lines.includes('LC_CTYPE=C') && lines.includes('LANGUAGE=C'));
  assert.ok(m.lines.some((l) => l.includes("Environment variable 'C' passed without a value")));
  assert.equal(m.call('cmd.run', ['env'], { clean_env: true, env: { A: 'x' }, reset_system_locale: false }), 'A=x');
  const path = m.call('cmd.run', ['echo $PATH'], { python_shell: true, shell, prepend_path: '/first' }) as string;
  assert.ok(path.startsWith('/first:'));
});

test('cwd must be an absolute folder that exists', () => {
  const m = minion();
  assert.equal(m.call('cmd.run', ['pwd'], { cwd: '/usr' }), '/usr');
  for (const cwd of ['rel', '/no/such/folder'])
    assert.throws(() => m.call('cmd.run', ['pwd'], { cwd }), {
      message: `Specified cwd '${cwd}' either not absolute or does not exist`,
    });
});

test('umask is octal text and may not be zero', () => {
  const m = minion();
  const before = process.umask();
  assert.equal(m.call('cmd.run', ['umask'], { python_shell: true, shell, umask: '077' }), '0077');
  assert.equal(process.umask(), before);
  assert.throws(() => m.call('cmd.run', ['true'], { umask: '0' }), { message: 'Zero umask is not allowed.' });
  assert.throws(() => m.call('cmd.run', ['true'], { umask: '9' }), { message: "Invalid umask: '9'" });
});

test('a missing shell, user or group is named', () => {
  const m = minion();
  assert.throws(() => m.call('cmd.run', ['true'], { shell: '/no/shell' }), {
    message: 'The shell /no/shell is not available',
  });
  assert.throws(() => m.call('cmd.run', ['true'], { runas: 'nobody-here' }), {
    message: "User 'nobody-here' is not available",
  });
});

test('runas runs as that user with its home and groups', { skip: !root && 'needs root' }, () => {
  const m = minion();
  const out = m.call('cmd.run', ['id -un; echo $USER $HOME; pwd'], {
    python_shell: true,
    shell,
    runas: 'daemon',
  }) as string;
  assert.deepEqual(out.split('\n'), ['daemon', 'daemon /usr/sbin', '/usr/sbin']);
  assert.match(m.call('cmd.run', ['id -gn'], { group: 'daemon' }) as string, /^daemon$/);
});

test('raise_err turns a failure into an error that carries the output', () => {
  assert.throws(() => minion().call('cmd.run', ['echo why; exit 1'], { python_shell: true, shell, raise_err: true }), {
    name: 'CommandExecutionError',
    message: 'why',
  });
});

test('hide_output answers nothing and output_loglevel=quiet logs nothing', () => {
  const m = minion();
  assert.equal(m.call('cmd.run', ['echo secret'], { hide_output: true }), '');
  const r = map(m.call('cmd.run_all', ['echo secret'], { hide_output: true }));
  assert.deepEqual([r['stdout'], r['stderr'], r['retcode']], ['', '', 0]);
  const quiet = minion();
  quiet.call('cmd.run', ['echo secret'], { output_loglevel: 'quiet' });
  assert.deepEqual(quiet.lines, []);
});

test('a command that is not on the allow list or is on the deny list is refused to callers from the command line only', () => {
  const m = minion({ opts: { cmd_blacklist_glob: ['rm *'], cmd_whitelist_glob: ['echo *'] } });
  assert.equal(m.call('cmd.run', ['echo hi'], { __pub_jid: '1', shell }), 'hi');
  for (const line of ['rm -rf x', 'true'])
    assert.throws(() => m.call('cmd.run', [line], { __pub_jid: '1', shell }), {
      message: `The shell command "${line}" is not permitted`,
    });
  assert.equal(m.call('cmd.run', ['true']), '');
});

test('run_bg answers at once with a process id', () => {
  const begun = Date.now();
  const r = minion().call('cmd.run_bg', ['sleep 1']) as PyDict;
  assert.ok(Date.now() - begun < 900);
  assert.ok(Number(r.get('pid')) > 1);
});

test('exec_code runs a program given as text and removes its file', () => {
  const m = minion();
  const out = m.call('cmd.exec_code', ['sh', 'echo "$0|$@"'], { args: ['a', 'b c'] }) as string;
  const [file, args] = out.split('|') as [string, string];
  assert.equal(args, 'a b c');
  assert.equal(existsSync(file), false);
  assert.equal(map(m.call('cmd.exec_code_all', ['sh', 'exit 4']))['retcode'], 4);
});

test('a script is fetched, run with its arguments and removed', () => {
  const dir = mkdtempSync(join(tmpdir(), 'cmd-'));
  try {
    writeFileSync(join(dir, 'hello.sh'), '#!/bin/sh\necho "$# $1 $2"; exit 2\n');
    const cp = {
      functions: {
        cache_file: {
          sig: 'cache_file(path, saltenv=None)',
          doc: '',
          run: (a: { [n: string]: unknown }) => (a['path'] === 'salt://hello.sh' ? join(dir, 'hello.sh') : ''),
        },
      },
    };
    const m = smallMinion({ cmd, cp });
    const r = map(m.call('cmd.script', ['salt://hello.sh'], { args: "one 'two words'", cwd: dir }));
    assert.deepEqual([r['stdout'], r['retcode']], ['2 one two words', 2]);
    assert.deepEqual(map(m.call('cmd.script', ['salt://missing.sh'])), {
      pid: 0,
      retcode: 1,
      stdout: '',
      stderr: '',
      cache_error: true,
    });
    assert.equal(m.call('cmd.run', ['ls'], { cwd: dir }), 'hello.sh');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('bytes that are no text become replacement characters, with an error in the log', () => {
  const m = minion();
  assert.equal(m.call('cmd.run', ["printf '\\377'"], { python_shell: true, shell }), '\ufffd');
  assert.ok(m.lines.some((l) => l.startsWith('error: Failed to decode stdout from command printf')));
  assert.equal(m.call('cmd.run', ["printf '\\351'"], { python_shell: true, shell, output_encoding: 'latin-1' }), 'é');
  assert.deepEqual(decodeOutput(Buffer.from('hä'), 'utf8'), { text: 'hä', replaced: false });
  assert.throws(() => decodeOutput(Buffer.from(''), 'no-such'), {
    name: 'LookupError',
    message: 'unknown encoding: no-such',
  });
});

test('rstrip=False keeps the trailing line end', () => {
  assert.equal(minion().call('cmd.run', ['echo a'], { rstrip: false }), 'a\n');
});

test('which finds programs, the first of a list too, and says None for others', () => {
  const m = minion();
  assert.match(m.call('cmd.which', ['sh']) as string, /\/sh$/);
  assert.equal(m.call('cmd.which', ['no-such-program']), null);
  assert.match(m.call('cmd.which_bin', [['no-such-program', 'cat']]) as string, /\/cat$/);
  assert.equal(m.call('cmd.has_exec', ['cat']), true);
});

test('shells lists /etc/shells without comments', () => {
  const want = readFileSync('/etc/shells', 'utf8')
    .split('\n')
    .filter((l) => l.startsWith('/'));
  assert.deepEqual(minion().call('cmd.shells'), want);
});

test('shell_info tells version and path, and knows what it does not know', () => {
  const m = minion();
  const r = map(m.call('cmd.shell_info', ['bash']));
  assert.match(r['version'] as string, /^\d+\.\d+\.\d+$/);
  assert.equal(r['installed'], true);
  assert.deepEqual(map(m.call('cmd.shell_info', ['ksh93'])), {
    error: 'Salt does not know how to get the version number for ksh93',
    installed: null,
  });
});

test('words are split and quoted as a POSIX shell does', () => {
  assert.deepEqual(shellSplit(`a "b \\"c\\" \\n" 'd e'f\\ g ""`), ['a', 'b "c" \\n', 'd ef g', '']);
  for (const text of ['plain', "it's", '', 'a b', '$x`y`']) assert.deepEqual(shellSplit(shellQuote(text)), [text]);
});
