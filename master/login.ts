import { chmodSync, existsSync, readSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { Opts } from '../bus/opts.ts';
import type { WireMap } from '../bus/values.ts';
import type { JobRequest } from './client.ts';

/** Asks the person at the terminal; `secret` answers are not shown. */
export type Ask = (prompt: string, secret: boolean) => Promise<string>;

/** What a command line proves its user with. */
export type Credentials = Pick<JobRequest, 'eauth' | 'token'>;

/**
 * Logs in for option `eauth`: asks for the name and password that the command line does not give; an empty name is the calling
 * user's. With `mktoken` a token is made, kept in `token_file` (mode 0600) and used. Undefined: the login was refused.
 */
export async function logIn(
  opts: Opts,
  makeToken: (eauth: string, username: string, password: string) => Promise<WireMap | undefined>,
  ask: Ask,
): Promise<Credentials | undefined> {
  const eauth = opts.str('eauth');
  const username = (opts.str('username') || (await ask('username: ', false))).trim() || userInfo().username;
  const password = opts.has('password') ? opts.str('password') : await ask('password: ', true);
  if (!opts.flag('mktoken')) return { eauth: { eauth, username, password } };
  const made = await makeToken(eauth, username, password);
  const token = made?.['token'];
  if (typeof token !== 'string' || !token) return undefined;
  const file = opts.str('token_file');
  if (existsSync(file)) chmodSync(file, 0o600);
  writeFileSync(file, token, { mode: 0o600 });
  return { token };
}

/** Asks on the process's own terminal, or reads a line of standard input where that is none. */
export const askTerminal: Ask = async (prompt, secret) => {
  process.stdout.write(prompt);
  if (process.stdin.isTTY !== true) return lineOfInput();
  const { createInterface } = await import('node:readline');
  return new Promise((resolve, reject) => {
    const reader = createInterface({ input: process.stdin, output: process.stdout, terminal: true });
    // What readline would echo of a secret is dropped.
    if (secret) Object.assign(reader, { _writeToOutput: () => undefined });
    let answered = false;
    reader.once('line', (line) => {
      answered = true;
      reader.close();
      if (secret) process.stdout.write('\n');
      resolve(line);
    });
    reader.once('close', () => {
      if (!answered) reject(new Error('Standard input ended before it gave an answer.'));
    });
  });
};

/** One line and no more: what follows answers the next question. */
function lineOfInput(): string {
  const byte = Buffer.alloc(1);
  const bytes: number[] = [];
  while (readSync(0, byte, 0, 1, null) === 1 && byte[0] !== 10) bytes.push(byte[0]!);
  return Buffer.from(bytes).toString('utf8').replace(/\r$/, '');
}
