import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SaltError } from '../../../../bus/errors.ts';
import { quietLog } from '../../../../bus/log.ts';
import { Opts } from '../../../../bus/opts.ts';
import { jinja, renderJinja, SaltLookup, slsContext } from '../../../../sls/render/jinja.ts';
import { type Py, PyDict } from '../../../../sls/values.ts';

const LIB = '{% macro bad() %}\n{{ nosuch }}\n{% endmacro %}\n{% macro bad2() %}\n{{ 1 % 0 }}\n{% endmacro %}\n';
const find = (path: string): { path: string; source: string } | undefined =>
  path === 'lib.jinja'
    ? { path: '/srv/salt/lib.jinja', source: LIB }
    : path === 'syn.jinja'
      ? { path: '/srv/salt/syn.jinja', source: 'a\n{% if %}\n' }
      : undefined;
function failure(source: string, sls = 'x.y'): SaltError {
  try {
    renderJinja(source, new PyDict<Py>(), { find, sls, path: '/srv/salt/x/y.sls' });
  } catch (e) {
    assert.ok(e instanceof SaltError);
    return e;
  }
  return assert.fail(`rendered: ${source}`);
}

test('an error shows its line with the lines around it', () => {
  const e = failure('one\n{% macro m() %}\n{{ x }}{% endmacro %}\n\n{{ m() }}');
  assert.equal(e.code, 'SaltRenderError');
  assert.equal(
    e.message,
    "Jinja variable 'x' is undefined; line 3\n\n---\none\n{% macro m() %}\n{{ x }}{% endmacro %}    <======================\n\n{{ m() }}\n---",
  );
  assert.equal(e.details['line'], 3);
  assert.equal(e.details['kind'], 'UndefinedError');
});

test('an error in an imported file shows that file, and the way that led there', () => {
  const e = failure("{% import 'lib.jinja' as l %}\n\n{{ l.bad() }}\n");
  assert.equal(
    e.message,
    "Jinja variable 'nosuch' is undefined\n/srv/salt/lib.jinja(2):\n---\n{% macro bad() %}\n{{ nosuch }}    <======================\n{% endmacro %}\n{% macro bad2() %}\n{{ 1 % 0 }}\n{% endmacro %}\n---",
  );
  assert.equal(e.details['file'], '/srv/salt/lib.jinja');
  assert.deepEqual(e.details['chain'], [
    { file: '/srv/salt/x/y.sls', line: 3 },
    { file: '/srv/salt/lib.jinja', line: 2 },
  ]);
  const syntax = failure("{% import 'syn.jinja' as l %}");
  assert.equal(
    syntax.message,
    "Jinja syntax error: Expected an expression, got 'end of statement block'\n/srv/salt/syn.jinja(2):\n---\na\n{% if %}    <======================\n---",
  );
  assert.match(
    failure("{% import 'lib.jinja' as l %}\n{{ l.bad2() }}").message,
    /^Jinja error: integer modulo by zero\n\/srv\/salt\/lib\.jinja\(5\):/,
  );
});

test('errors of other kinds keep their first line and name the line further down', () => {
  const lines = failure('a\nb\n{{ 1 % 0 }}\nc').message.split('\n');
  assert.equal(lines[0], 'Jinja error: integer modulo by zero');
  assert.ok(lines.includes('; line 3'));
  assert.ok(lines.includes('{{ 1 % 0 }}    <======================'));
});

test('a failing execution function is told from a failing template', () => {
  const salt = new SaltLookup({
    has: () => true,
    names: () => ['cmd.run'],
    call: () => {
      throw new SaltError('CommandExecutionError', 'no such thing');
    },
  });
  assert.throws(() => renderJinja("{{ salt['cmd.run']('x') }}", new PyDict<Py>([['salt', salt]])), {
    message: /^Problem running salt function in Jinja template: no such thing; line 1\n/,
  });
});

test('a break outside a loop says so, after the text the reference crashes with', () => {
  const e = failure('{% break %}');
  assert.equal(e.code, 'TypeError');
  assert.deepEqual(e.message.split('\n'), ["'NoneType' object is not subscriptable", "'break' outside loop; line 1"]);
});

test('functions are found by full name and through their module, and cmd.run runs in a shell', () => {
  const called: string[] = [];
  const salt = new SaltLookup({
    has: (n) => ['cmd.run', 'cmd.shell', 'test.echo'].includes(n),
    names: () => ['cmd.run', 'cmd.shell', 'test.echo'],
    call: (name, args) => {
      called.push(name);
      return (args?.[0] ?? null) as Py;
    },
  });
  const context = new PyDict<Py>([['salt', salt]]);
  const out = renderJinja(
    "{{ salt['test.echo'](1) }}{{ salt.test.echo(2) }}{{ salt['cmd.run']('a') }}{{ salt.cmd.run('b') }}{{ salt.get('no.no', 'd') }}{{ 'test.echo' in salt }}{{ salt.nope is defined }}{{ salt.test.nope is defined }}",
    context,
  );
  assert.equal(out, '12abdTrueFalseFalse');
  assert.deepEqual(called, ['test.echo', 'test.echo', 'cmd.shell', 'cmd.shell']);
  assert.throws(() => renderJinja("{{ salt['no.no']() }}", context), {
    message: /^Jinja variable 'salt\.utils\.templates\.AliasedLoader object' has no attribute 'no\.no'; line 1/,
  });
});

test('the renderer names the sls file and its folder', () => {
  assert.deepEqual(slsContext('/srv/salt/a/b/init.sls', 'a.b'), {
    tplpath: '/srv/salt/a/b/init.sls',
    tplfile: 'a/b/init.sls',
    tpldir: 'a/b',
    tpldot: 'a.b',
    slspath: 'a/b',
    slsdotpath: 'a.b',
    slscolonpath: 'a:b',
    sls_path: 'a_b',
  });
  assert.equal(slsContext('/srv/salt/top.sls', 'top')['tpldir'], '.');
  const files: Record<string, string> = { 'a/near.jinja': '{% set v = 1 %}' };
  const out = jinja("{% from './near.jinja' import v %}{{ v }}{{ tpldir }}{{ slspath }}{{ mine }}\n", {
    opts: new Opts(),
    log: quietLog,
    context: new PyDict<Py>([
      ['sls', 'a.b'],
      ['slspath', 'kept'],
      ['mine', 'x'],
    ]),
    path: '/srv/salt/a/b.sls',
    saltenv: 'base',
    sls: 'a.b',
    find: (path) => (files[path] === undefined ? undefined : { path, source: files[path] }),
    argline: '',
  });
  assert.equal(out, '1akeptx\n');
});

test('settings come from the options for sls files or other templates, and from a template of its own', () => {
  const opts = new Opts(
    new PyDict<Py>([
      ['jinja_env', new PyDict<Py>([['trim_blocks', true]])],
      [
        'jinja_sls_env',
        new PyDict<Py>([
          ['variable_start_string', '<<'],
          ['variable_end_string', '>>'],
        ]),
      ],
    ]),
  );
  const source = '{% if true %}\nx{{ 1 }}<< 2 >>{% endif %}';
  assert.equal(renderJinja(source, new PyDict(), { opts }), 'x1<< 2 >>');
  assert.equal(renderJinja(source, new PyDict(), { opts, sls: 'a' }), '\nx{{ 1 }}2');
  assert.equal(renderJinja(`#jinja2: {"trim_blocks": false}\n${source}`, new PyDict(), { opts }), '\nx1<< 2 >>');
});
