/**
 * Appends each return to a text file, one line of `<time> <minion> <jid> <function> <ok or FAILED> <return as JSON>`. Ours; option `file.filename`
 * (/var/log/salt/returns).
 */
import { stamp } from '../bus/jid.ts';
import type { Returner, ReturnerCtx } from './contract.ts';
import { appendLines } from './shape/append.ts';
import { toJson } from './shape/json.ts';
import { returnerOptions, textOption } from './shape/options.ts';

const DEFAULT = '/var/log/salt/returns';

function filename(ctx: ReturnerCtx): string {
  const options = returnerOptions('file', { filename: 'filename' }, { filename: DEFAULT }, ctx);
  return textOption(options, 'filename') ?? DEFAULT;
}

export default {
  returner(ret, ctx) {
    const fun = Array.isArray(ret['fun']) ? ret['fun'].join(',') : String(ret['fun']);
    const verdict = ret['success'] === false || ret['retcode'] ? 'FAILED' : 'ok';
    const words = [stamp(), ret['id'], ret['jid'], fun, verdict].map((w) => String(w).replace(/\s/g, '_'));
    return appendLines(filename(ctx), [`${words.join(' ')} ${toJson(ret['return'])}`]);
  },
  eventReturn: (events, ctx) =>
    appendLines(
      filename(ctx),
      events.map(({ tag, data }) => `${stamp()} ${tag} ${toJson(data)}`),
    ),
} satisfies Returner;
