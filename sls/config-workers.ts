import { SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { str, truth, typeName } from './values.ts';

/** What is wrong with one pool; fills `claimed` with its commands. */
function complaints(name: Py, pool: Py, claimed: Map<string, string>): string[] {
  if (typeof name !== 'string') return [`Pool name must be a string, got ${typeName(name)}`];
  if (!name) return ['Pool name cannot be empty'];
  if (/[/\\]/.test(name))
    return [
      `Pool name '${name}' is invalid. Pool names cannot contain path separators (/ or \\) to prevent path traversal attacks.`,
    ];
  if (name === '..')
    return [
      `Pool name '${name}' is invalid. Pool names cannot be or start with '../' to prevent path traversal attacks.`,
    ];
  if (name.includes('\0')) return ['Pool name contains null byte, which is not allowed.'];
  if (!(pool instanceof PyDict)) return [`Pool '${name}': configuration must be a dictionary`];
  const out: string[] = [];
  const count = pool.get('worker_count') ?? null;
  const whole = typeof count === 'boolean' ? Number(count) : count;
  if (typeof whole !== 'number' || !Number.isInteger(whole) || whole < 1)
    out.push(`Pool '${name}': worker_count must be integer >= 1, got ${str(count)}`);
  const commands = pool.has('commands') ? (pool.get('commands') as Py) : [];
  if (!Array.isArray(commands)) return [...out, `Pool '${name}': commands must be a list`];
  if (!commands.length) return [...out, `Pool '${name}': commands list cannot be empty`];
  for (const cmd of commands as Py[])
    if (typeof cmd !== 'string') out.push(`Pool '${name}': command '${str(cmd)}' must be a string`);
    else {
      const other = claimed.get(cmd);
      if (other === undefined || cmd === '*') claimed.set(cmd, name);
      if (other !== undefined)
        out.push(
          cmd === '*'
            ? `Multiple pools have catchall ('*'): '${other}' and '${name}'. Only one pool can use catchall.`
            : `Command '${cmd}' mapped to multiple pools: '${other}' and '${name}'`,
        );
    }
  return out;
}

/**
 * Settles `worker_pools` (from `worker_threads` where it is empty) and refuses a layout the reference refuses, with SaltError
 * ValueError listing everything wrong. Our master has no such pools: the option is checked so that a file means the same on both.
 */
export function checkWorkerPools(opts: PyDict, log: Log): void {
  if (!truth(opts.get('worker_pools_enabled') ?? true)) return;
  let pools = opts.get('worker_pools') ?? null;
  if (!truth(pools))
    pools = new PyDict([
      [
        'default',
        new PyDict<Py>([
          ['worker_count', opts.get('worker_threads') ?? null],
          ['commands', ['*']],
        ]),
      ],
    ]);
  opts.set('worker_pools', pools);
  const fail = (message: string): SaltError => {
    log.error(`Worker pools configuration error: ${message}`);
    return new SaltError('ValueError', message);
  };
  if (!(pools instanceof PyDict)) throw fail('worker_pools must be a dictionary');
  const claimed = new Map<string, string>();
  const wrong = [...pools].flatMap(([name, pool]) => complaints(name, pool, claimed));
  if (!claimed.has('*'))
    wrong.push(
      "No catchall pool ('*') found. One pool must include '*' in its commands so every command has a routing destination.",
    );
  if (wrong.length) throw fail(`Worker pools configuration validation failed:\n  - ${wrong.join('\n  - ')}`);
}
