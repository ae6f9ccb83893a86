/** For trying runners out. */
import { setTimeout as pause } from 'node:timers/promises';
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict, PyTuple } from '../../bus/values.ts';
import { cleanKwargs } from '../../sls/call-format.ts';
import { fn } from '../../sls/signature.ts';
import { numberOf, repr, str } from '../../sls/values.ts';
import type { RunnerModule } from './contract.ts';

const WORDS: Readonly<Record<string, string>> = {
  us: 'foo bar baz qux quux quuz corge grault garply waldo fred plugh xyzzy thud',
  uk: 'wibble wobble wubble flob',
};
const both = (args: Py, kwargs: Py): PyDict =>
  new PyDict<Py>([
    ['args', PyTuple.from_(args as Py[])],
    ['kwargs', kwargs],
  ]);

export default {
  doc: 'Answers predictable things, for tests and for a first look.',
  functions: {
    arg: fn(
      'arg(*args, **kwargs)',
      'Answers what it was given, without names that begin with two underscores.\n\nCLI Example:\n\n    salt-run test.arg one two=2',
      (a) => both(a['args']!, cleanKwargs(a['kwargs'] as PyDict)),
    ),
    raw_arg: fn(
      'raw_arg(*args, **kwargs)',
      'Answers what it was given.\n\nCLI Example:\n\n    salt-run test.raw_arg one __two=2',
      (a) => both(a['args']!, a['kwargs']!),
    ),
    metasyntactic: fn(
      "metasyntactic(locality='us')",
      'Names that programmers use for anything, of the us or the uk.\n\nCLI Example:\n\n    salt-run test.metasyntactic locality=uk',
      (a) => {
        const place = str(a['locality']!);
        return Object.hasOwn(WORDS, place) ? (WORDS[place] as string).split(' ') : null;
      },
    ),
    stdout_print: fn(
      'stdout_print()',
      "Prints 'foo' and answers 'bar'.\n\nCLI Example:\n\n    salt-run test.stdout_print",
      (_a, ctx) => {
        ctx.print('foo');
        return 'bar';
      },
    ),
    sleep: fn(
      'sleep(s_time=10)',
      'Prints the seconds, sleeps so long and answers True.\n\nCLI Example:\n\n    salt-run test.sleep s_time=3',
      async (a, ctx) => {
        const seconds = numberOf(a['s_time']!);
        if (seconds === undefined || seconds < 0)
          throw new SaltError('TypeError', `s_time must be a number of seconds, not ${repr(a['s_time']!)}`);
        ctx.print(str(a['s_time']!));
        await pause(seconds * 1000);
        return true;
      },
    ),
    stream: fn(
      'stream()',
      'Tells its progress 99 times, ten times a second, and answers True.\n\nCLI Example:\n\n    salt-run test.stream',
      async (_a, ctx) => {
        for (let i = 1; i < 100; i++) {
          ctx.progress(new PyDict<Py>([['message', `Runner is ${i}% done`]]));
          await pause(100);
        }
        return true;
      },
    ),
    get_opts: fn(
      'get_opts()',
      'The configuration of the master.\n\nCLI Example:\n\n    salt-run test.get_opts',
      (_a, ctx) => new PyDict(ctx.opts.data),
    ),
  },
} satisfies RunnerModule;
