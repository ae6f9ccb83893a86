/** Whether this minion is one of a target's. */
import { messageOf, SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { match } from '../../sls/match/match.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { deepCopy, iterate, str, truth } from '../../sls/values.ts';
import { dictUpdate } from '../dict-update.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('match');

/** Whether the target fits; a target that can't be read fits nothing and is logged. `id` stands for this minion's. */
function fits(kind: string, tgt: Py, ctx: ModuleCtx, id: Py = null, delimiter: Py = ':'): boolean {
  const subject = { id: id === null ? ctx.opts.str('id') : str(id), grains: ctx.grains, pillar: ctx.pillar };
  try {
    return match(kind, tgt, subject, {
      nodegroups: ctx.opts.dict('nodegroups'),
      delimiter: str(delimiter),
      getval: (key) => ctx.salt.call('data.get', [key]),
    });
  } catch (e) {
    ctx.log.error(messageOf(e));
    return false;
  }
}

const KINDS = new Set([
  'compound',
  'ipcidr',
  'pillar_pcre',
  'pillar',
  'data',
  'grain_pcre',
  'grain',
  'list',
  'pcre',
  'glob',
]);

function kindOf(v: Py): string {
  const name = str(v);
  if (!KINDS.has(name)) throw new SaltError('KeyError', `'${name}'`);
  return name;
}

function filterBy(lookup: Py, kind: string, id: Py, merge: Py, lists: Py, fallback: Py, ctx: ModuleCtx): Py {
  if (!(lookup instanceof PyDict)) throw new SaltError('TypeError', `'${str(lookup)}' is not a dictionary`);
  for (const [tgt, value] of lookup) {
    if (!fits(kind, tgt, ctx, id)) continue;
    if (!truth(merge)) return value;
    if (!(merge instanceof PyDict))
      throw new SaltError('SaltException', 'filter_by merge argument must be a dictionary.');
    return value === null ? merge : dictUpdate(value, deepCopy(merge) as PyDict, truth(lists));
  }
  return lookup.get(fallback) ?? null;
}

function ifelse(a: Args, ctx: ModuleCtx): Py {
  const args = a['args'] as Py[];
  if (args.length % 2 === 0)
    throw new SaltError('SaltException', 'The ifelse function must have an odd number of arguments!');
  const otherwise = args.at(-1) as Py;
  const kind = kindOf(a['tgt_type'] as Py);
  for (let i = 0; i + 1 < args.length; i += 2) {
    const tgt = args[i] as Py;
    if (tgt === false || (tgt !== true && !fits(kind, tgt, ctx, a['minion_id'] as Py))) continue;
    return filterBy(
      new PyDict([['*', args[i + 1] as Py]]),
      'glob',
      null,
      a['merge'] as Py,
      a['merge_lists'] as Py,
      '*',
      ctx,
    );
  }
  return otherwise;
}

const byId = (kind: string) => (a: Args, ctx: ModuleCtx) => fits(kind, a['tgt'] as Py, ctx, a['minion_id'] as Py);
const byPath = (kind: string) => (a: Args, ctx: ModuleCtx) =>
  fits(kind, a['tgt'] as Py, ctx, null, a['delimiter'] as Py);

export default {
  doc: 'Tells whether this minion matches a target.',
  functions: {
    compound: fn(
      'compound(tgt, minion_id=None)',
      doc('By a compound target; minion_id stands for the own id.', "compound 'G@os:Debian and web*'"),
      byId('compound'),
    ),
    glob: fn('glob(tgt, minion_id=None)', doc('By a glob over the id.', "glob 'web*'"), byId('glob')),
    pcre: fn('pcre(tgt, minion_id=None)', doc('By a regular expression over the id.', "pcre 'web\\d+'"), byId('pcre')),
    list: fn('list(tgt, minion_id=None)', doc('By a list of ids, comma separated.', 'list web1,web2'), byId('list')),
    grain: fn("grain(tgt, delimiter=':')", doc('By a grain and a glob.', "grain 'os:Deb*'"), byPath('grain')),
    grain_pcre: fn(
      "grain_pcre(tgt, delimiter=':')",
      doc('By a grain and a regular expression.', "grain_pcre 'os:(Debian|Ubuntu)'"),
      byPath('grain_pcre'),
    ),
    pillar: fn(
      "pillar(tgt, delimiter=':')",
      doc('By a pillar value and a glob.', "pillar 'role:web*'"),
      byPath('pillar'),
    ),
    pillar_pcre: fn(
      "pillar_pcre(tgt, delimiter=':')",
      doc('By a pillar value and a regular expression.', "pillar_pcre 'role:web.*'"),
      byPath('pillar_pcre'),
    ),
    data: fn('data(tgt)', doc("By the minion's data store.", 'data key:value'), (a, ctx: ModuleCtx) =>
      fits('data', a['tgt'] as Py, ctx),
    ),
    ipcidr: fn('ipcidr(tgt)', doc('By an address or a network.', 'ipcidr 10.0.0.0/8'), (a, ctx: ModuleCtx) =>
      fits('ipcidr', a['tgt'] as Py, ctx),
    ),
    filter_by: fn(
      "filter_by(lookup, tgt_type='compound', minion_id=None, merge=None, merge_lists=False, default='default')",
      doc(
        'The value of the first target of a map that this minion matches.',
        "filter_by '{web*: 80, default: 0}' tgt_type=glob",
      ),
      (a, ctx: ModuleCtx) =>
        filterBy(
          a['lookup'] as Py,
          kindOf(a['tgt_type'] as Py),
          a['minion_id'] as Py,
          a['merge'] as Py,
          a['merge_lists'] as Py,
          a['default'] as Py,
          ctx,
        ),
    ),
    search_by: fn(
      "search_by(lookup, tgt_type='compound', minion_id=None)",
      doc('Keys of a map of lists of targets that this minion matches.', "search_by '{web: [web*], db: [db*]}'"),
      (a, ctx: ModuleCtx) => {
        const kind = kindOf(a['tgt_type'] as Py);
        const found: Py[] = [];
        for (const [key, targets] of a['lookup'] as PyDict)
          for (const t of iterate(targets)) if (fits(kind, t, ctx, a['minion_id'] as Py)) found.push(key);
        return found.length ? found : null;
      },
    ),
    ifelse: fn(
      "ifelse(*args, tgt_type='compound', minion_id=None, merge=None, merge_lists=False)",
      doc(
        'Pairs of target and value and a last value: the first value whose target this minion matches, or the last one.',
        "ifelse 'web*' 80 'db*' 5432 0",
      ),
      ifelse,
    ),
  },
} satisfies ExecutionModule;
