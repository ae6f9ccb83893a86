/** Pillar out of a command's output, read as YAML. */
import { spawnSync } from 'node:child_process';
import { PyDict } from '../../bus/values.ts';
import { str } from '../../sls/values.ts';
import { loadYaml } from '../../sls/yaml.ts';
import type { ExtPillarModule } from './contract.ts';

export default {
  doc: "Runs a command in a shell (`%s` in it is the minion's id) and takes its output, YAML, as pillar.",
  extPillar(id, _pillar, args, kwargs, ctx) {
    const command = str(args[0] ?? kwargs.get('command') ?? '').replaceAll('%s', () => id);
    const ran = spawnSync('/bin/sh', ['-c', command], { encoding: 'utf8', maxBuffer: 1 << 28 });
    try {
      return loadYaml(ran.stdout);
    } catch {
      ctx.log.critical(`YAML data from '${command}' failed to parse. Command output:\n${ran.stdout}`);
      return new PyDict();
    }
  },
} satisfies ExtPillarModule;
