import { messageOf } from '../bus/errors.ts';
import type { EventBus } from '../bus/event.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { tags } from '../bus/tags.ts';
import { type Py, PyDict, toPy, toWire, type Wire, type WireMap } from '../bus/values.ts';
import { type PillarLoad, readPillar } from '../bus/wire/loads.ts';
import type { MinionCache } from './minion-cache.ts';

/** What pillar is asked for. */
export interface PillarQuestion {
  id: string;
  grains: PyDict;
  saltenv: string | null;
  pillarenv: string | null;
  override: PyDict;
  /** One more external source, which the master's options must allow. */
  ext?: Py;
}

/** Compiles a minion's pillar. Runs outside the master's main thread where it renders anything. */
export type CompilePillar = (question: PillarQuestion) => Promise<PyDict>;

/** Answers `_pillar`, and remembers grains and pillar of the minion that asked. */
export class Pillars {
  constructor(
    private readonly opts: Opts,
    private readonly cache: MinionCache,
    private readonly bus: EventBus,
    private readonly compile: CompilePillar,
    private readonly log: Log,
  ) {}

  /** The pillar in wire form; undefined for a malformed request. The sender is proven: `load.id` is it, whatever its grains say. */
  async answer(load: WireMap): Promise<Wire | undefined> {
    const ask = readPillar(load);
    if (!ask) return undefined;
    const grains = toPy(ask.grains) as PyDict;
    grains.set('id', ask.id);
    const pillar = await this.compile({
      id: ask.id,
      grains,
      saltenv: ask.saltenv,
      pillarenv: ask.pillarenv,
      override: overrideOf(ask),
      ...(ask.ext === undefined || ask.ext === null ? {} : { ext: toPy(ask.ext) }),
    });
    if (this.opts.flag('minion_data_cache', true)) {
      // The answer does not wait for the disk: the next contact brings the same data again.
      Promise.all([this.cache.store('grains', ask.id, grains), this.cache.store('pillar', ask.id, pillar)]).catch((e) =>
        this.log.error(`Data of ${ask.id} was not kept: ${messageOf(e)}`),
      );
      if (this.opts.flag('minion_data_cache_events', true))
        this.bus.fire(tags.minionRefresh(ask.id), { 'Minion data cache refresh': ask.id }, { origin: 'master' });
    }
    return toWire(pillar);
  }
}

function overrideOf(ask: PillarLoad): PyDict {
  const given = toPy(ask.pillar_override);
  return given instanceof PyDict ? given : new PyDict();
}
