/** Appends returns and events to a file, one line of JSON each. Option `rawfile_json.filename` (/var/log/salt/events). */
import type { Returner, ReturnerCtx } from './contract.ts';
import { appendLines } from './shape/append.ts';
import { keptReturn } from './shape/job.ts';
import { toJson } from './shape/json.ts';
import { returnerOptions, textOption } from './shape/options.ts';

function filename(ctx: ReturnerCtx): string {
  const options = returnerOptions('rawfile_json', { filename: 'filename' }, { filename: '/var/log/salt/events' }, ctx);
  return textOption(options, 'filename') ?? '/var/log/salt/events';
}

export default {
  returner: (ret, ctx) => appendLines(filename(ctx), [toJson(keptReturn(ret))]),
  eventReturn: (events, ctx) =>
    appendLines(
      filename(ctx),
      events.map(({ tag, data }) => toJson({ tag, data })),
    ),
} satisfies Returner;
