import { PyDict } from '../../bus/values.ts';
import { str } from '../../sls/values.ts';
import { processIds, processName, statOf } from '../machine/processes.ts';
import type { Beacon, Sight } from './contract.ts';

/** `ps`: processes by name that run or do not run, as each is configured. */
export default {
  validate(items) {
    const processes = items.get('processes');
    if (processes === undefined) return 'Configuration for ps beacon requires processes.';
    return processes instanceof PyDict ? undefined : 'Processes for ps beacon must be a dictionary.';
  },
  look(items) {
    const names = new Set<string>();
    for (const pid of processIds()) {
      const stat = statOf(pid);
      if (stat) names.add(processName(stat));
    }
    const out: Sight[] = [];
    for (const [key, wanted] of items.get('processes') as PyDict) {
      const name = str(key);
      const runs = names.has(name);
      if (wanted === 'running') {
        if (runs) out.push({ data: { [name]: 'Running' } });
      } else if (!runs) out.push({ data: { [name]: wanted === 'stopped' ? 'Stopped' : false } });
    }
    return out;
  },
} satisfies Beacon;
