/** Prints returns and events on standard output, to see what a returner is given. */
import type { Returner } from './contract.ts';
import { keptReturn } from './shape/job.ts';
import { toJson } from './shape/json.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

export default {
  returner: (ret) => print(toJson(keptReturn(ret))),
  eventReturn: async (events) => {
    for (const { tag, data } of events) print(toJson({ tag, data }));
  },
} satisfies Returner;
