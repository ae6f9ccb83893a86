import { SaltError } from '../../bus/errors.ts';
import { mkFloat, type Py, PyDict, PyTuple } from '../../bus/values.ts';
import { SALT_VERSION } from '../../bus/version.ts';
import { cleanKwargs } from '../../sls/call-format.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { repr, str, truth, typeName } from '../../sls/values.ts';
import { sleepSync } from '../clock.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

/** Loaded on first use: it takes longer than a whole call of test.ping. */
const crypto = (): typeof import('node:crypto') => process.getBuiltinModule('node:crypto');

/** Python's int(): what `int(x)` gives for an argument, or its error. */
function int(v: Py): number {
  const n = typeof v === 'string' ? (/^\s*[+-]?\d+\s*$/.test(v) ? Number(v) : Number.NaN) : Math.trunc(Number(v));
  if (Number.isNaN(n)) throw new SaltError('ValueError', `invalid literal for int() with base 10: ${repr(v)}`);
  return n;
}

/** `<class 'int'>` as Python's str(type(x)). */
const typeText = (v: Py): string => `<class '${typeName(v)}'>`;

/** An exception of the named Python class. */
function raised(name: string, message: string): Error {
  const e = new Error(message);
  e.name = name;
  return e;
}

const PYTHON_EXCEPTIONS = new Set(
  'ArithmeticError AssertionError AttributeError BaseException BlockingIOError BrokenPipeError BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError ConnectionResetError DeprecationWarning EOFError EnvironmentError Exception FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError ImportError ImportWarning IndentationError IndexError InterruptedError IsADirectoryError KeyError KeyboardInterrupt LookupError MemoryError ModuleNotFoundError NameError NotADirectoryError NotImplementedError OSError OverflowError PendingDeprecationWarning PermissionError ProcessLookupError RecursionError ReferenceError ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration StopIteration SyntaxError SyntaxWarning SystemError SystemExit TabError TimeoutError TypeError UnboundLocalError UnicodeError UnicodeWarning UserWarning ValueError Warning ZeroDivisionError'.split(
    ' ',
  ),
);
const SALT_EXCEPTIONS = [
  'SaltInvocationError',
  'CommandExecutionError',
  'CommandNotFoundError',
  'SaltRenderError',
  'SaltConfigurationError',
  'SaltClientError',
  'SaltReqTimeoutError',
  'SaltDaemonNotRunning',
  'SaltDeserializationError',
  'AuthenticationError',
  'AuthorizationError',
  'LoaderError',
  'MinionError',
  'FileLockError',
  'TimedProcTimeoutError',
] as const;

/** What Python's str(exc) gives for an exception made of these arguments. */
function exceptionText(name: string, args: readonly Py[]): string {
  if (args.length === 0) return '';
  if (args.length === 1) return name === 'KeyError' ? repr(args[0] as Py) : str(args[0] as Py);
  return repr(PyTuple.from_(args));
}

function raiseException({ name, args, kwargs }: Args, ctx: ModuleCtx): Py {
  const asked = String(name);
  const given = args as Py[];
  const kw = cleanKwargs(kwargs as PyDict);
  const salt = asked.startsWith('salt.exceptions.') ? asked.slice('salt.exceptions.'.length) : undefined;
  const code = SALT_EXCEPTIONS.find((c) => c === salt);
  if (code) {
    const message = kw.get('message') ?? given[0];
    throw new SaltError(code, message === undefined ? '' : str(message));
  }
  if (salt === undefined && PYTHON_EXCEPTIONS.has(asked)) {
    if (kw.size) throw new SaltError('TypeError', `${asked}() takes no keyword arguments`);
    const text = exceptionText(asked, given);
    if (asked === 'TypeError' || asked === 'ValueError' || asked === 'KeyError') throw new SaltError(asked, text);
    throw raised(asked, text);
  }
  ctx.log.error(`No such exception: ${asked}`);
  return false;
}

const seconds = (since: number): Py => mkFloat((performance.now() - since) / 1000);

function fib({ num }: Args): Py {
  const n = int(num as Py);
  if (n < 0) throw new SaltError('ValueError', 'Negative number is not allowed!');
  const start = performance.now();
  let [prev, curr] = [0n, 1n];
  for (let i = 1; i < n; i++) [prev, curr] = [curr, prev + curr];
  const value = n < 2 ? n : Number.isSafeInteger(Number(curr)) ? Number(curr) : curr;
  return PyTuple.from_<Py>([value, seconds(start)]);
}

/** The sequence down to 1; a halved number is a float from then on, as in Python. */
function collatz({ start }: Args): Py {
  let n = int(start as Py);
  const begin = performance.now();
  const steps: Py[] = [];
  if (n < 1) throw new SaltError('ValueError', 'The start must be a positive number');
  let float = false;
  while (n !== 1) {
    steps.push(float ? mkFloat(n) : n);
    if (n % 2 === 0) {
      n /= 2;
      float = true;
    } else n = n * 3 + 1;
  }
  return PyTuple.from_<Py>([steps, seconds(begin)]);
}

function randomHash({ size, hash_type }: Args, ctx: ModuleCtx): Py {
  const type = hash_type ? str(hash_type) : ctx.opts.str('hash_type', 'sha256');
  const most = Math.min(int(size as Py), 2 ** 48 - 2);
  return crypto()
    .createHash(type)
    .update(String(crypto().randomInt(1, most + 1)))
    .digest('hex');
}

function providerOf(module: string, ctx: ModuleCtx): string {
  return ctx.salt.provider?.(module) ?? '';
}

function modulesOf(ctx: ModuleCtx): string[] {
  return [...new Set(ctx.salt.names().map((n) => n.split('.')[0] as string))];
}

function versions(ctx: ModuleCtx): PyDict {
  const grain = (k: string): string => str(ctx.grains.get(k) ?? '');
  const dist = [grain('os_family').toLowerCase(), grain('osrelease'), grain('oscodename')].filter(Boolean).join(' ');
  return new PyDict<Py>([
    ['Salt Version', new PyDict<Py>([['Salt', SALT_VERSION]])],
    ['Node Version', new PyDict<Py>([['Node', process.versions.node]])],
    [
      'Dependency Versions',
      new PyDict<Py>(['openssl', 'uv', 'v8', 'zlib'].map((k) => [k, process.versions[k] ?? null] as const)),
    ],
    ['Salt Package Information', new PyDict<Py>([['Package Type', null]])],
    [
      'System Versions',
      new PyDict<Py>([
        ['dist', dist],
        ['locale', 'utf-8'],
        ['machine', grain('cpuarch') || process.arch],
        ['release', grain('kernelrelease')],
        ['system', grain('kernel')],
        ['version', [grain('osfullname'), grain('osrelease'), grain('oscodename')].filter(Boolean).join(' ')],
      ]),
    ],
  ]);
}

function versionsReport(ctx: ModuleCtx): string {
  const info = versions(ctx);
  const rows = [...info.values()].flatMap((part) => [...(part as PyDict).keys()].map((k) => String(k).length));
  const width = Math.max(...rows) + 4;
  const lines: string[] = [];
  for (const [title, part] of info) {
    if (lines.length) lines.push(' ');
    lines.push(`${str(title)}:`);
    for (const [k, v] of part as PyDict)
      lines.push(`${str(k).padStart(width)}: ${v === null ? 'Not Installed' : str(v)}`);
  }
  return lines.join('\n');
}

function moduleReport(ctx: ModuleCtx): PyDict {
  const functions = ctx.salt.names();
  const modules = modulesOf(ctx);
  return new PyDict<Py>([
    ['functions', functions],
    ['function_attrs', [...functions]],
    ['function_subs', [...functions]],
    ['modules', modules],
    ['module_attrs', [...modules]],
    ['missing_attrs', []],
    ['missing_subs', []],
  ]);
}

const quick = { quick: true } as const;
const report = 'Lists the versions of the parts this program is made of.';

/** `test`: functions that prove that the way to a minion and back works. */
export default {
  doc: 'Functions to test a minion and the way to it.',
  functions: {
    arg: fn(
      'arg(*args, **kwargs)',
      "Returns the positional and keyword arguments it was given, with the publish's own fields.\n\nCLI Example:\n\n    salt '*' test.arg 1 two size=4",
      ({ args, kwargs }) =>
        new PyDict<Py>([
          ['args', PyTuple.from_(args as Py[])],
          ['kwargs', kwargs as Py],
        ]),
      quick,
    ),
    arg_clean: fn(
      'arg_clean(*args, **kwargs)',
      "As test.arg, without the publish's own fields.\n\nCLI Example:\n\n    salt '*' test.arg_clean 1 two size=4",
      ({ args, kwargs }) =>
        new PyDict<Py>([
          ['args', PyTuple.from_(args as Py[])],
          ['kwargs', cleanKwargs(kwargs as PyDict)],
        ]),
      quick,
    ),
    arg_repr: fn(
      'arg_repr(*args, **kwargs)',
      "Returns its arguments as the text of Python values.\n\nCLI Example:\n\n    salt '*' test.arg_repr 1 two size=4",
      ({ args, kwargs }) =>
        new PyDict<Py>([
          ['args', repr(PyTuple.from_(args as Py[]))],
          ['kwargs', repr(kwargs as Py)],
        ]),
    ),
    arg_type: fn(
      'arg_type(*args, **kwargs)',
      "Returns the type of each argument.\n\nCLI Example:\n\n    salt '*' test.arg_type 1 two size=4.5",
      ({ args, kwargs }) =>
        new PyDict<Py>([
          ['args', (args as Py[]).map(typeText)],
          ['kwargs', new PyDict<Py>([...(kwargs as PyDict)].map(([k, v]) => [k, typeText(v)] as const))],
        ]),
    ),
    assertion: fn(
      'assertion(assertion)',
      "Fails when its argument is false.\n\nCLI Example:\n\n    salt '*' test.assertion False",
      ({ assertion }) => {
        if (!truth(assertion as Py)) throw raised('AssertionError', '');
        return null;
      },
    ),
    attr_call: fn(
      'attr_call()',
      "Returns the grains, by way of grains.items.\n\nCLI Example:\n\n    salt '*' test.attr_call",
      (_, ctx) => ctx.salt.call('grains.items'),
    ),
    collatz: fn(
      'collatz(start)',
      "Follows the Collatz sequence from a number to one: the steps and the seconds it took.\n\nCLI Example:\n\n    salt '*' test.collatz 3",
      collatz,
    ),
    conf_test: fn(
      'conf_test()',
      "Returns the option test.foo of the configuration.\n\nCLI Example:\n\n    salt '*' test.conf_test",
      (_, ctx) => ctx.salt.call('config.option', ['test.foo']),
    ),
    cross_test: fn(
      'cross_test(func, args=None)',
      "Calls another function with a list of arguments.\n\nCLI Example:\n\n    salt '*' test.cross_test test.echo \"['hi']\"",
      ({ func, args }, ctx) => ctx.salt.call(str(func as Py), (args as Py[] | null) ?? []),
    ),
    deprecation_warning: fn(
      'deprecation_warning()',
      "Logs a warning of the kind that announces a removal and answers True.\n\nCLI Example:\n\n    salt '*' test.deprecation_warning",
      (_, ctx) => {
        ctx.log.warning('This is a test deprecation warning by version.');
        return true;
      },
    ),
    echo: fn(
      'echo(text)',
      "Returns what it was given.\n\nCLI Example:\n\n    salt '*' test.echo 'some words'",
      ({ text }) => text as Py,
      quick,
    ),
    exception: fn(
      "exception(message='Test Exception')",
      "Raises an exception with a message.\n\nCLI Example:\n\n    salt '*' test.exception 'no luck'",
      ({ message }) => {
        throw raised('Exception', str(message as Py));
      },
    ),
    false: fn('false_()', "Answers False.\n\nCLI Example:\n\n    salt '*' test.false", () => false, quick),
    fib: fn(
      'fib(num)',
      "Returns a Fibonacci number and the seconds it took.\n\nCLI Example:\n\n    salt '*' test.fib 30",
      fib,
    ),
    get_opts: fn(
      'get_opts()',
      "Returns the whole configuration of this minion.\n\nCLI Example:\n\n    salt '*' test.get_opts",
      (_, ctx) => ctx.opts.data,
    ),
    kwarg: fn(
      'kwarg(**kwargs)',
      "Returns its keyword arguments.\n\nCLI Example:\n\n    salt '*' test.kwarg num=1 txt=two",
      ({ kwargs }) => kwargs as Py,
      quick,
    ),
    module_report: fn(
      'module_report()',
      "Lists the functions and modules that are loaded.\n\nCLI Example:\n\n    salt '*' test.module_report",
      (_, ctx) => moduleReport(ctx),
    ),
    not_loaded: fn(
      'not_loaded()',
      "Lists the modules that did not load on this minion.\n\nCLI Example:\n\n    salt '*' test.not_loaded",
      (_, ctx) => ctx.salt.notLoaded?.() ?? [],
    ),
    opts_pkg: fn(
      'opts_pkg()',
      "Returns the configuration together with the grains.\n\nCLI Example:\n\n    salt '*' test.opts_pkg",
      (_, ctx) => {
        const all = new PyDict(ctx.opts.data);
        all.set('grains', ctx.grains);
        return all;
      },
    ),
    outputter: fn(
      'outputter(data)',
      "Returns what it was given, to try an outputter on.\n\nCLI Example:\n\n    salt '*' test.outputter words",
      ({ data }) => data as Py,
    ),
    ping: fn(
      'ping()',
      "Answers True when the minion is up and hears its master.\n\nCLI Example:\n\n    salt '*' test.ping",
      () => true,
      quick,
    ),
    provider: fn(
      'provider(module)',
      "Returns the file that provides a module.\n\nCLI Example:\n\n    salt '*' test.provider service",
      ({ module }, ctx) => providerOf(str(module as Py), ctx),
    ),
    providers: fn(
      'providers()',
      "Returns the modules by the file that provides them.\n\nCLI Example:\n\n    salt '*' test.providers",
      (_, ctx) => new PyDict<Py>(modulesOf(ctx).map((m) => [providerOf(m, ctx), m] as const)),
    ),
    raise_exception: fn(
      'raise_exception(name, *args, **kwargs)',
      "Raises the exception of that name, one of Python's or of salt.exceptions; answers False when there is none.\n\nCLI Example:\n\n    salt '*' test.raise_exception salt.exceptions.CommandExecutionError 'no luck'",
      raiseException,
    ),
    rand_sleep: fn(
      'rand_sleep(max=60)',
      "Sleeps for a random number of seconds up to a limit.\n\nCLI Example:\n\n    salt '*' test.rand_sleep 60",
      ({ max }) => {
        sleepSync(crypto().randomInt(0, int(max as Py) + 1) * 1000);
        return true;
      },
    ),
    rand_str: fn(
      'rand_str(size=9999999999, hash_type=None)',
      "The old name of test.random_hash.\n\nCLI Example:\n\n    salt '*' test.rand_str",
      randomHash,
    ),
    random_hash: fn(
      'random_hash(size=9999999999, hash_type=None)',
      "Returns the hash of a random number between 1 and size.\n\nCLI Example:\n\n    salt '*' test.random_hash hash_type=sha512",
      randomHash,
    ),
    retcode: fn(
      'retcode(code=42)',
      "Answers True with a return code of your choice.\n\nCLI Example:\n\n    salt '*' test.retcode 42",
      ({ code }, ctx) => {
        ctx.context.set('retcode', code as Py);
        return true;
      },
    ),
    sleep: fn(
      'sleep(length)',
      "Sleeps for some seconds.\n\nCLI Example:\n\n    salt '*' test.sleep 20",
      ({ length }) => {
        sleepSync(int(length as Py) * 1000);
        return true;
      },
    ),
    stack: fn('stack()', "Returns the call stack of the function.\n\nCLI Example:\n\n    salt '*' test.stack", () =>
      (new Error('here').stack ?? '').split('\n').slice(1).join('\n'),
    ),
    true: fn('true_()', "Answers True.\n\nCLI Example:\n\n    salt '*' test.true", () => true, quick),
    try: fn(
      'try_(module, return_try_exception=False, **kwargs)',
      "Calls a function and answers None, or the error's text on request, where it fails.\n\nCLI Example:\n\n    salt '*' test.try module=test.ping",
      ({ module, return_try_exception, kwargs }, ctx) => {
        try {
          return ctx.salt.call(str(module as Py), [], kwargs as PyDict);
        } catch (e) {
          return truth(return_try_exception as Py) ? (e instanceof Error ? e.message : String(e)) : null;
        }
      },
    ),
    tty: fn(
      'tty(*args, **kwargs)',
      "Moved to cmd.tty.\n\nCLI Example:\n\n    salt '*' test.tty tty0 'some words'",
      () => 'ERROR: This function has been moved to cmd.tty',
    ),
    version: fn(
      'version()',
      "Returns the version of Salt that this minion follows.\n\nCLI Example:\n\n    salt '*' test.version",
      () => SALT_VERSION,
      quick,
    ),
    versions: fn('versions()', `${report}\n\nCLI Example:\n\n    salt '*' test.versions`, (_, ctx) =>
      versionsReport(ctx),
    ),
    versions_information: fn(
      'versions_information()',
      `${report} As a map.\n\nCLI Example:\n\n    salt '*' test.versions_information`,
      (_, ctx) => versions(ctx),
    ),
    versions_report: fn(
      'versions_report()',
      `${report}\n\nCLI Example:\n\n    salt '*' test.versions_report`,
      (_, ctx) => versionsReport(ctx),
    ),
  },
} satisfies ExecutionModule;
