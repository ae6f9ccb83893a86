import { messageOf } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { PyDict, toPy, type Wire, type WireMap } from '../bus/values.ts';
import { match } from '../sls/match/match.ts';

/** What job processes are told about the minion; `version` rises with each change. */
export interface MinionFacts {
  version: number;
  opts: Opts;
  grains: PyDict | undefined;
  pillar: PyDict;
  connected: boolean;
}

/** What this minion knows of itself, and whom a target means by it. */
export class Facts {
  private now: MinionFacts;

  constructor(
    private readonly opts: Opts,
    private readonly log: Log,
  ) {
    this.now = { version: 0, opts, grains: undefined, pillar: opts.dict('pillar'), connected: false };
  }

  get all(): MinionFacts {
    return this.now;
  }
  /** The grains; nothing but the id until they are found. */
  get grains(): PyDict {
    return this.now.grains ?? new PyDict([['id', this.opts.str('id')]]);
  }

  learn(news: Partial<MinionFacts>): void {
    this.now = { ...this.now, ...news, version: this.now.version + 1 };
  }

  /** Whether any of configuration, pillar and grains says anything under a key. */
  mention(key: string): boolean {
    return [this.opts.data, this.now.pillar, this.grains].some((d) => d.get(key) !== undefined);
  }

  /** Whether a publish is for this minion. A target that cannot be read is logged and means nobody. */
  isMeant(load: WireMap): boolean {
    const type = typeof load['tgt_type'] === 'string' ? load['tgt_type'] : 'glob';
    const subject = { id: this.opts.str('id'), grains: this.grains, pillar: this.now.pillar };
    try {
      return match(type, toPy(load['tgt'] as Wire), subject, {
        nodegroups: this.opts.dict('nodegroups'),
        delimiter: typeof load['delimiter'] === 'string' ? load['delimiter'] : ':',
      });
    } catch (e) {
      this.log.error(`The target of job ${String(load['jid'])} cannot be matched: ${messageOf(e)}`);
      return false;
    }
  }
}
