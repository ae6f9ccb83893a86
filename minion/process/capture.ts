import { spawnSync } from 'node:child_process';
import { SaltError } from '../../bus/errors.ts';
import { which } from './which.ts';

/** What a program that is read by another program gave. */
export interface Captured {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to read its answer: English output, no shell, nothing on standard input, half a minute at most. Its code is 127
 * where it is missing and 124 where it was too slow. For what an operator asks to be run, use the `cmd` functions instead.
 */
export function capture(program: string, args: readonly string[], input?: string): Captured {
  const path = which(program);
  if (!path) return { code: 127, stdout: '', stderr: `${program}: command not found` };
  const r = spawnSync(path, [...args], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', LANGUAGE: 'C' },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
    timeout: 30_000,
    maxBuffer: 256 * 1024 * 1024,
  });
  return { code: r.status ?? 124, stdout: (r.stdout ?? '').trimEnd(), stderr: (r.stderr ?? '').trimEnd() };
}

/** Throws the reference's error for a function that can't work without a program. */
export function needs(program: string): string {
  const path = which(program);
  if (!path) throw new SaltError('CommandNotFoundError', `The '${program}' binary was not found in $PATH.`);
  return path;
}
