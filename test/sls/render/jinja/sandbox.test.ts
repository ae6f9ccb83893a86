import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SaltError } from '../../../../bus/errors.ts';
import { renderJinja, SaltLookup } from '../../../../sls/render/jinja.ts';
import { dict, type Py, PyDict } from '../../../../sls/values.ts';

const salt = new SaltLookup({ has: (n) => n === 'test.ping', names: () => ['test.ping'], call: () => true });
const render = (source: string, options: Parameters<typeof renderJinja>[2] = {}): string =>
  renderJinja(
    source,
    new PyDict<Py>([
      ['salt', salt],
      ['d', dict({ a: 1 })],
      ['fine', 'fine'],
    ]),
    options,
  );
const failure = (source: string, options: Parameters<typeof renderJinja>[2] = {}): string => {
  try {
    return `rendered ${JSON.stringify(render(source, options).slice(0, 80))}`;
  } catch (e) {
    assert.ok(e instanceof SaltError, `a template error, not ${String((e as Error).stack)}`);
    return e.message.split('\n')[0] as string;
  }
};

/** Ways that have led out of template engines of this kind; none may reach a host function. */
const ESCAPES = [
  "{{ ''.constructor.constructor('return process')() }}",
  '{{ range.constructor("return 1")() }}',
  '{{ [].constructor.constructor("return process.pid")() }}',
  '{{ {}.constructor.constructor("return 1")() }}',
  '{{ (1).constructor.constructor("return 1")() }}',
  '{% macro m() %}{% endmacro %}{{ m.constructor("return 1")() }}',
  '{% for i in [1] %}{{ loop.constructor.constructor("return 1")() }}{% endfor %}',
  '{{ joiner().constructor.constructor("return 1")() }}',
  '{{ cycler(1).next.constructor("return 1")() }}',
  '{{ namespace(a=1).constructor.constructor("return 1")() }}',
  '{{ d.__proto__.constructor("return 1")() }}',
  '{{ salt.constructor.constructor("return 1")() }}',
  "{{ salt['constructor']('return 1')() }}",
  "{{ salt['test.ping'].constructor('return 1')() }}",
  "{{ salt.test.constructor.constructor('return 1')() }}",
  "{{ 'x'|attr('constructor')('return 1') }}",
  "{{ ['x']|map('constructor')|list }}",
  "{{ ['x']|map(attribute='constructor.name')|list|first ~ '!' }}",
  "{{ 'x'|constructor }}",
  "{{ '{0.constructor}'.format('x') }}",
  "{{ '{0[constructor]}'.format(d) }}",
  '{{ dict(__proto__=d).constructor.name.x }}',
  "{{ ('x'|method_call('constructor', 'return 1'))() }}",
  "{{ ''.__class__.__mro__ }}",
  "{{ '{0.__class__}'.format('x') }}",
  "{{ fine['__class__'] }}",
  "{{ 'x'|attr('__class__') }}",
  "{{ self.constructor.constructor('return 1')() }}",
  '{% import "x" as constructor %}{{ constructor }}',
  "{{ prototype.constructor('return 1')() }}",
  '{{ hasOwnProperty("x") }}',
  "{{ show_full_context()['constructor']('return 1')() }}",
];

test('a template finds no way from a value to the host', () => {
  for (const source of ESCAPES) assert.match(failure(source), /^Jinja (variable|syntax error|error)/, source);
  for (const name of ['toString', 'valueOf', 'constructor', '__proto__', 'hasOwnProperty', 'prototype'])
    for (const value of ['d', 'fine', '[1]', '1', 'range', 'salt', 'none', 'loop', 'dict', 'namespace()'])
      assert.equal(
        failure(`{% for i in [1] %}{{ ${value}.${name} is defined }}{{ ${value}['${name}'] is defined }}{% endfor %}`),
        'rendered "FalseFalse"',
        `${value}.${name}`,
      );
});

test('names that are special to the host are plain names in a template', () => {
  assert.equal(render('{% set __proto__ = 1 %}{% set constructor = 2 %}{{ __proto__ }}{{ constructor }}'), '12');
  assert.equal(render("{{ {'__proto__': 1, 'constructor': 2} }}"), "{'__proto__': 1, 'constructor': 2}");
  assert.equal(
    render('{% macro m(__proto__, constructor=2) %}{{ __proto__ }}{{ constructor }}{% endmacro %}{{ m(__proto__=1) }}'),
    '12',
  );
  assert.equal(render('{{ dict(__proto__=1, toString=2) }}'), "{'__proto__': 1, 'toString': 2}");
  assert.equal(
    render('{% block toString %}b{% endblock %}{% set ns = namespace(__proto__=3) %}{{ ns.__proto__ }}'),
    'b3',
  );
  assert.equal(
    render('{% set await = 1 %}{% set class = 2 %}{% set l_await_1 = 3 %}{{ await }}{{ class }}{{ l_await_1 }}'),
    '123',
  );
  assert.equal(render('{{ "\u2028\\"+process.exit()+\\"" }}'), '\u2028"+process.exit()+"');
  assert.equal(render('\u2028${1}`"; process.exit()//{{ 1 }}'), '\u2028${1}`"; process.exit()//1');
});

test('unsafe names are undefined until they are used', () => {
  assert.equal(render("{{ ''.__class__ is defined }}"), 'False');
  assert.equal(
    failure("{{ ''.__class__ }}"),
    "Jinja syntax error: access to attribute '__class__' of 'str' object is unsafe.; line 1",
  );
});

test('no expression can exhaust the process', () => {
  const limited = [
    "{{ 'a' * 1000000000 }}",
    '{{ [0] * 100000000 }}',
    '{{ 10 ** 10000000 }}',
    '{{ 9 ** (9 ** 9) }}',
    "{{ '%1000000000d' % 1 }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ 'a'.center(1000000000) }}",
    "{{ 'a'.ljust(1000000000) }}",
    "{{ 'a'.zfill(1000000000) }}",
    "{{ 'a'|indent(1000000000, true) }}",
    "{{ '\\ta'.expandtabs(1000000000) }}",
    "{{ ('a' * 60000)|replace('', 'b' * 60000) }}",
    '{{ range(100001) }}',
    '{{ range(99999)|product(range(99999))|list }}',
    "{{ '10.0.0.0/8'|network_hosts }}",
    "{% set ns = namespace(t='a') %}{% for i in range(40) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
    '{% set ns = namespace(n=3) %}{% for i in range(40) %}{% set ns.n = ns.n * ns.n %}{% endfor %}',
    '{% set l = [1] %}{% for i in range(40) %}{% do l.extend(l) %}{% endfor %}',
  ];
  for (const source of limited) assert.match(failure(source), /^Jinja error: (result|field|Range|maximum)/, source);
  assert.match(
    failure('{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}'),
    /^Jinja error: maximum recursion depth exceeded/,
  );
  assert.match(
    failure(`{{ ${'('.repeat(50000)}1${')'.repeat(50000)} }}`),
    /^Jinja error: maximum recursion depth exceeded/,
  );
});

test('a render ends at its limits of time, memory and output', () => {
  const loops = '{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}';
  assert.match(
    failure(loops, { timeLimit: 0.05 }),
    /^Jinja syntax error: rendering took longer than the limit of 0.05/,
  );
  assert.match(failure(loops, { outputLimit: 1000 }), /^Jinja syntax error: the output is over the limit of 1000/);
  assert.match(
    failure('{% set l = [] %}{% for i in range(99999) %}{% do l.append(range(9999)|list) %}{% endfor %}', {
      memoryLimit: 50,
    }),
    /^Jinja error: rendering holds over 50 MiB/,
  );
  assert.match(
    failure("{% for i in range(99999) %}{% set x = range(9999)|map('string')|list %}{% endfor %}", { timeLimit: 0.1 }),
    /^Jinja syntax error: rendering took longer/,
  );
});
