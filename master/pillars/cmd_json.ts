/** Pillar out of a command's output, read as JSON. */
import { spawnSync } from 'node:child_process';
import { PyDict } from '../../bus/values.ts';
import { parseJson } from '../../sls/json.ts';
import { str } from '../../sls/values.ts';
import type { ExtPillarModule } from './contract.ts';

export default {
  doc: "Runs a command in a shell (`%s` in it is the minion's id) and takes its output, JSON, as pillar.",
  extPillar(id, _pillar, args, kwargs, ctx) {
    const command = str(args[0] ?? kwargs.get('command') ?? '').replaceAll('%s', () => id);
    const ran = spawnSync('/bin/sh', ['-c', command], { encoding: 'utf8', maxBuffer: 1 << 28 });
    try {
      return parseJson(ran.stdout);
    } catch {
      ctx.log.critical(`JSON data from ${command} failed to parse`);
      return new PyDict();
    }
  },
} satisfies ExtPillarModule;
