/** A wheel module has a runner's shape and context: `key`, `config`, `file_roots`, `pillar_roots`, `minions`, `error`. */
import type { RunnerCtx, RunnerModule } from '../runners/contract.ts';

export type WheelCtx = RunnerCtx;
export type WheelModule = RunnerModule;
