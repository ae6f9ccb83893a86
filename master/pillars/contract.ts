/** An external source of pillar: one file, named as `ext_pillar` names it. It runs in a job process and may block. */
export type { ExtPillarCtx, ExtPillarModule } from '../../sls/pillar-sources.ts';
