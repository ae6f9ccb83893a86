import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { type Args, type Fn, fn } from '../../sls/signature.ts';
import { str } from '../../sls/values.ts';
import type { Catalog, ExecutionModule, ModuleCtx } from './contract.ts';

type Kind = 'execution' | 'states' | 'returners' | 'runners' | 'renderers';

function catalogOf(kind: Kind, ctx: ModuleCtx): Catalog {
  if (kind === 'execution') return ctx.salt;
  const found = ctx.catalog?.(kind);
  if (!found) throw new SaltError('CommandExecutionError', `The ${kind} cannot be listed here`);
  return found;
}

const textOf = (v: Py): string => str(v);

/** Functions that a word means: a pattern, a function, or all of a module. */
function meant(word: string, names: readonly string[]): string[] {
  if (word.includes('*')) return names.filter((n) => fnmatch(n, word));
  const dot = word === '' || word.endsWith('.') ? word : `${word}.`;
  return names.filter((n) => n === word || n.startsWith(dot));
}

function docs(kind: Kind): Fn<ModuleCtx>['run'] {
  return ({ args }: Args, ctx) => {
    const from = catalogOf(kind, ctx);
    const names = from.names();
    const out = new PyDict();
    const words = args as Py[];
    for (const name of words.length ? words.flatMap((w) => meant(textOf(w), names)) : names) {
      const module = name.split('.')[0] as string;
      if (kind === 'states' && !out.has(module)) out.set(module, from.doc(module) ?? null);
      out.set(name, from.doc(name) ?? null);
    }
    return out;
  };
}

/** list_*_functions: a word with `*` or a dot is a pattern, any other a module. */
function functionNames(kind: Kind): Fn<ModuleCtx>['run'] {
  return ({ args }: Args, ctx) => {
    const names = catalogOf(kind, ctx).names();
    const words = (args as Py[]).map(textOf);
    if (!words.length) return [...names].sort();
    const found = words.flatMap((w) =>
      /[*.]/.test(w) ? names.filter((n) => fnmatch(n, w)) : names.filter((n) => n.startsWith(`${w}.`)),
    );
    return [...new Set(found)].sort();
  };
}

/** list_*: modules; a word with `*` is a pattern over functions, any other a module's name. */
function moduleNames(kind: Kind): Fn<ModuleCtx>['run'] {
  return ({ args }: Args, ctx) => {
    const names = catalogOf(kind, ctx).names();
    const words = (args as Py[]).map(textOf);
    const moduleOf = (n: string): string => n.split('.')[0] as string;
    const found = words.length
      ? words.flatMap((w) => names.filter((n) => (w.includes('*') ? fnmatch(n, w) : moduleOf(n) === w)))
      : names;
    return [...new Set(found.map(moduleOf))].sort();
  };
}

/** Signatures of a module's functions, or of those that a pattern or a full name chooses. */
function specs(kind: Kind, word: string, ctx: ModuleCtx): PyDict {
  const from = catalogOf(kind, ctx);
  const out = new PyDict();
  for (const name of from.names()) {
    if (/[*.]/.test(word) ? !fnmatch(name, word) : !name.startsWith(`${word}.`)) continue;
    const s = from.argspec(name);
    if (!s) continue;
    out.set(
      name,
      new PyDict<Py>([
        ['args', s.args],
        ['defaults', s.defaults],
        ['varargs', s.varargs ? true : null],
        ['kwargs', s.kwargs ? true : null],
      ]),
    );
  }
  return out;
}

function argspecs(kind: Kind): Fn<ModuleCtx>['run'] {
  return ({ module }: Args, ctx) => specs(kind, textOf(module as Py), ctx);
}

/** One parameter of a state as JSON schema: any simple value. */
function property(name: string, fallback: Py | undefined): PyDict {
  const one = (type: string): PyDict => {
    const d = new PyDict<Py>([
      ['type', type],
      ['title', name],
      ['description', name],
    ]);
    // Python's schema leaves a default of None out.
    if (fallback !== undefined && fallback !== null) d.set('default', fallback);
    return d;
  };
  return new PyDict<Py>([['oneOf', ['boolean', 'integer', 'number', 'string'].map(one)]]);
}

function schema(name: string, spec: PyDict): PyDict {
  const args = (spec.get('args') ?? []) as string[];
  const defaults = (spec.get('defaults') ?? []) as Py[];
  const required = args.slice(0, args.length - defaults.length);
  const properties = new PyDict<Py>(
    args.map((a, i) => [a, property(a, i < required.length ? undefined : defaults[i - required.length])] as const),
  );
  const out = new PyDict<Py>([
    ['$schema', 'http://json-schema.org/draft-04/schema#'],
    ['title', name],
    ['description', name],
    ['type', 'object'],
    ['properties', properties],
  ]);
  out.set('x-ordering', args);
  out.set('additionalProperties', false);
  return out;
}

const names = (what: string, example: string): string =>
  `Lists the ${what}; words (\`*\` allowed) choose some of them.\n\nCLI Example:\n\n    salt '*' ${example}`;
const texts = (what: string, example: string): string =>
  `Returns the help of the ${what}; words (\`*\` allowed) choose some of them.\n\nCLI Example:\n\n    salt '*' ${example}`;
const signatures = (what: string, example: string): string =>
  `Returns the parameters and defaults of the ${what} of a module, or of one function.\n\nCLI Example:\n\n    salt '*' ${example}`;

/** `sys`: what is loaded on this minion, with help and signatures. */
export default {
  doc: 'Tells of the functions that are loaded on this minion.',
  functions: {
    argspec: fn("argspec(module='')", signatures('functions', 'sys.argspec pkg'), argspecs('execution')),
    doc: fn('doc(*args)', texts('functions', 'sys.doc test.ping'), docs('execution')),
    list_functions: fn(
      'list_functions(*args, **kwargs)',
      names('functions', 'sys.list_functions test'),
      functionNames('execution'),
    ),
    list_modules: fn('list_modules(*args)', names('modules', "sys.list_modules 't*'"), moduleNames('execution')),
    list_renderers: fn('list_renderers(*args)', names('renderers', "sys.list_renderers 'y*'"), ({ args }, ctx) => {
      const all = catalogOf('renderers', ctx).names();
      const words = (args as Py[]).map(textOf);
      return [...new Set(words.length ? words.flatMap((w) => all.filter((n) => fnmatch(n, w))) : all)].sort();
    }),
    list_returner_functions: fn(
      'list_returner_functions(*args, **kwargs)',
      names('functions of returners', 'sys.list_returner_functions local'),
      functionNames('returners'),
    ),
    list_returners: fn('list_returners(*args)', names('returners', 'sys.list_returners'), moduleNames('returners')),
    list_runner_functions: fn(
      'list_runner_functions(*args, **kwargs)',
      names('functions of runners', 'sys.list_runner_functions jobs'),
      functionNames('runners'),
    ),
    list_runners: fn('list_runners(*args)', names('runners', 'sys.list_runners'), moduleNames('runners')),
    list_state_functions: fn(
      'list_state_functions(*args, **kwargs)',
      names('state functions', 'sys.list_state_functions file'),
      functionNames('states'),
    ),
    list_state_modules: fn(
      'list_state_modules(*args)',
      names('state modules', 'sys.list_state_modules'),
      moduleNames('states'),
    ),
    reload_modules: fn(
      'reload_modules()',
      "Makes the minion load its modules anew.\n\nCLI Example:\n\n    salt '*' sys.reload_modules",
      () => true,
    ),
    renderer_doc: fn('renderer_doc(*args)', texts('renderers', 'sys.renderer_doc yaml'), docs('renderers')),
    returner_argspec: fn(
      "returner_argspec(module='')",
      signatures('returners', 'sys.returner_argspec local'),
      argspecs('returners'),
    ),
    returner_doc: fn('returner_doc(*args)', texts('returners', 'sys.returner_doc local'), docs('returners')),
    runner_argspec: fn(
      "runner_argspec(module='')",
      signatures('runners', 'sys.runner_argspec jobs'),
      argspecs('runners'),
    ),
    runner_doc: fn('runner_doc(*args)', texts('runners', 'sys.runner_doc jobs'), docs('runners')),
    state_argspec: fn("state_argspec(module='')", signatures('states', 'sys.state_argspec file'), argspecs('states')),
    state_doc: fn('state_doc(*args)', texts('states', 'sys.state_doc file.managed'), docs('states')),
    state_schema: fn(
      "state_schema(module='')",
      "Returns the JSON schema of the states of a module, or of one state.\n\nCLI Example:\n\n    salt '*' sys.state_schema user.present",
      ({ module }, ctx) => [...specs('states', textOf(module as Py), ctx)].map(([n, s]) => schema(str(n), s as PyDict)),
    ),
  },
} satisfies ExecutionModule;
