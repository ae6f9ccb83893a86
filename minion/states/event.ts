/** Events fired from a state run. */
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, type Fn, fn } from '../../sls/signature.ts';
import { truth } from '../../sls/values.ts';
import { answer, entries, say } from '../state/answer.ts';
import type { StateCtx, StateModule } from './contract.ts';

function send(a: Args, ctx: StateCtx): PyDict {
  const name = a['name'] as Py;
  const ret = answer(name, false);
  if (truth(a['show_changed'] ?? true)) ret.set('changes', entries(['tag', name], ['data', a['data'] ?? null]));
  if (ctx.test) return say(ret, null, 'Event would have been fired');
  const kwargs = new PyDict<Py>(a['kwargs'] as PyDict);
  for (const k of ['data', 'preload', 'with_env', 'with_grains', 'with_pillar']) kwargs.set(k, a[k] ?? null);
  return say(ret, ctx.salt.call('event.send', [name], kwargs), 'Event fired');
}

const ARGS =
  'name, data=None, preload=None, with_env=False, with_grains=False, with_pillar=False, show_changed=True, **kwargs';
const fires = (name: string, what: string): Fn<StateCtx> => fn(`${name}(${ARGS})`, what, send);

export default {
  doc: "Fires events on the master's bus.",
  functions: {
    send: fires('send', 'Fires an event whose tag is the name.'),
    fire_master: fires('fire_master', 'Fires an event, as send does.'),
    mod_watch: fires('mod_watch', 'Fires when a watched state changed.'),
    wait: fn('wait(name, sfun=None, data=None)', 'Fires an event only when a watched state changed.', (a) =>
      answer(a['name'] as Py),
    ),
  },
} satisfies StateModule;
