/** States that do nothing: for trying out requisites, options and the system itself. */
import { SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { chunkTag } from '../../sls/requisites.ts';
import { type Args, type Fn, fn } from '../../sls/signature.ts';
import { isStr, str, truth } from '../../sls/values.ts';
import type { StateCtx, StateModule } from './contract.ts';

const refuse = (text: string): never => {
  throw new SaltError('SaltInvocationError', text);
};
const pretended = (): PyDict =>
  new PyDict([
    [
      'testing',
      new PyDict([
        ['old', 'Unchanged'],
        ['new', 'Something pretended to change'],
      ]),
    ],
  ]);
const answer = (name: Py, changes: Py, result: Py, comment: Py): PyDict =>
  new PyDict<Py>([
    ['name', name],
    ['changes', changes],
    ['result', result],
    ['comment', comment],
  ]);
const comment = (a: Args, otherwise: string): Py => (a['kwargs'] as PyDict | undefined)?.get('comment') ?? otherwise;

function configurable(a: Args, ctx: StateCtx): PyDict {
  const { changes, result, warnings } = a as { changes: Py; result: Py; warnings: Py };
  const random = (v: Py): boolean => str(v).toLowerCase() === 'random';
  const coin = (): boolean => Math.random() < 0.5;
  let changed = changes === true;
  if (typeof changes !== 'boolean') {
    if (!random(changes))
      refuse(
        "You have specified the state option 'changes' with invalid arguments. It must be either True, False, or 'Random'",
      );
    changed = coin();
  }
  if (typeof result !== 'boolean' && !random(result))
    refuse(
      "You have specified the state option 'result' with invalid arguments. It must be either True, False, or 'Random'",
    );
  const ret = answer(
    a['name'] as Py,
    changed ? pretended() : new PyDict(),
    typeof result === 'boolean' ? result : coin(),
    a['comment'] as Py,
  );
  if (warnings !== null) {
    if (!isStr(warnings) && !Array.isArray(warnings))
      refuse(
        "You have specified the state option 'warnings' with invalid arguments. It must be a string or a list of strings",
      );
    ret.set('warnings', isStr(warnings) ? [warnings] : warnings);
  }
  if (ctx.test) {
    const fails = truth(a['allow_test_mode_failure'] as Py) && result === false;
    ret.set('result', fails ? false : changes === false ? true : null);
    if (!truth(a['comment'] as Py)) ret.set('comment', 'This is a test');
  }
  return ret;
}

/** Types that check_pillar tells apart, by argument, with what Python prints of them. */
const KINDS: readonly (readonly [arg: string, name: string, fits: (v: Py) => boolean])[] = [
  ['present', 'None', () => true],
  ['boolean', "<class 'bool'>", (v) => typeof v === 'boolean'],
  [
    'integer',
    "<class 'int'>",
    (v) => typeof v === 'boolean' || typeof v === 'bigint' || (typeof v === 'number' && Number.isInteger(v)),
  ],
  ['string', "(<class 'str'>,)", (v) => isStr(v)],
  ['listing', "<class 'list'>", (v) => Array.isArray(v)],
  ['dictionary', "<class 'dict'>", (v) => v instanceof PyDict],
];

function checkPillar(a: Args, ctx: StateCtx): PyDict {
  if (!KINDS.some(([arg]) => truth(a[arg] ?? null))) refuse('Missing required argument text.');
  const failed = new Map<string, string | undefined>();
  const fine = new Map<string, string>();
  for (const [arg, name, fits] of KINDS) {
    const given = a[arg] ?? null;
    if (!truth(given)) continue;
    if (!isStr(given) && !Array.isArray(given)) throw new SaltError('TypeError', '');
    for (const key of isStr(given) ? [str(given)] : (given as Py[]).map((k) => str(k))) {
      const value = ctx.salt.call('pillar.get', [key, null]);
      if (value === null) failed.set(key, undefined);
      else if (!fits(value)) failed.set(key, name);
      else fine.set(key, name);
    }
  }
  let text = '';
  for (const [key, kind] of failed)
    text += `Pillar key "${key}" ${kind === undefined ? 'is missing.' : `is not ${kind}.`}\n`;
  if (truth(a['verbose'] as Py) && fine.size) {
    text += 'Those keys passed the check:\n';
    for (const [key, kind] of fine) text += `- ${key} (${kind})\n`;
  }
  return answer(a['name'] as Py, new PyDict(), failed.size === 0, text);
}

function modWatch(a: Args, ctx: StateCtx): PyDict {
  const reqs = ctx.low.get('__reqs__');
  const watched = reqs instanceof PyDict ? (reqs.get('watch') as PyDict[] | undefined) : undefined;
  const changed = (watched ?? [])
    .filter((c) => truth((ctx.running.get(chunkTag(c)) as PyDict | undefined)?.get('changes') ?? null))
    .map((c) => `${str(c.get('state') ?? null)}: ${str(c.get('__id__') ?? null)}`);
  const kwargs = a['kwargs'] as PyDict;
  return answer(
    a['name'] as Py,
    kwargs.get('changes') ?? new PyDict([['Requisites with changes', changed]]),
    kwargs.get('result') ?? true,
    kwargs.get('comment') ?? 'Watch statement fired.',
  );
}

const functions: Record<string, Fn<StateCtx>> = {
  nop: fn('nop(name, **kwargs)', 'Does nothing and succeeds: something for requisites to hang on.', (a) =>
    answer(a['name'] as Py, new PyDict(), true, 'Success!'),
  ),
  succeed_without_changes: fn('succeed_without_changes(name, **kwargs)', 'Succeeds without changes.', (a) =>
    answer(a['name'] as Py, new PyDict(), true, comment(a, 'Success!')),
  ),
  fail_without_changes: fn('fail_without_changes(name, **kwargs)', 'Fails without changes.', (a, ctx) =>
    answer(
      a['name'] as Py,
      new PyDict(),
      false,
      ctx.test ? "If we weren't testing, this would be a failure!" : comment(a, 'Failure!'),
    ),
  ),
  succeed_with_changes: fn('succeed_with_changes(name, **kwargs)', 'Succeeds and pretends a change.', (a, ctx) =>
    answer(
      a['name'] as Py,
      pretended(),
      ctx.test ? null : true,
      ctx.test ? "If we weren't testing, this would be successful with changes" : comment(a, 'Success!'),
    ),
  ),
  fail_with_changes: fn('fail_with_changes(name, **kwargs)', 'Fails and pretends a change.', (a, ctx) =>
    answer(
      a['name'] as Py,
      pretended(),
      ctx.test ? null : false,
      ctx.test ? "If we weren't testing, this would be failed with changes" : comment(a, 'Failure!'),
    ),
  ),
  configurable_test_state: fn(
    "configurable_test_state(name, changes=True, result=True, comment='', warnings=None, allow_test_mode_failure=False)",
    'Comes out as asked: changes and result are True, False or Random.',
    configurable,
  ),
  show_notification: fn('show_notification(name, text=None, **kwargs)', 'Succeeds with a text as its comment.', (a) => {
    if (!truth(a['text'] as Py)) refuse('Missing required argument text.');
    return answer(a['name'] as Py, new PyDict(), true, a['text'] as Py);
  }),
  check_pillar: fn(
    'check_pillar(name, present=None, boolean=None, integer=None, string=None, listing=None, dictionary=None, verbose=False)',
    'Fails unless pillar keys are there, and of the types asked for.',
    checkPillar,
  ),
  mod_watch: fn(
    'mod_watch(name, sfun=None, **kwargs)',
    'Runs when a watched state changed, and names which did.',
    modWatch,
  ),
};

export default { doc: 'States for tests: they change nothing.', functions } satisfies StateModule;
