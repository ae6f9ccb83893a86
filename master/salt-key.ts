import { messageOf, SaltError } from '../bus/errors.ts';
import type { Log } from '../bus/log.ts';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict } from '../bus/values.ts';
import { type CommandLine, usageError } from '../sls/cli-options.ts';
import keyOutputter from '../sls/output/key.ts';
import { colorOf } from '../sls/output/parts/colors.ts';
import type { Print } from '../sls/output/print.ts';
import { trimEnd } from '../sls/text-layout.ts';
import type { KeyChanges } from './key-commands.ts';
import { asDict, GROUPS, type Group, globMatch, type KeyState, listKeys, listStatus } from './key-names.ts';
import type { KeyStore } from './keys.ts';
import type { Ask } from './login.ts';

/** Surroundings of a `salt-key` command. */
export interface SaltKeyParts {
  line: CommandLine;
  /** The master's configuration with the command line laid over it. */
  opts: Opts;
  /** The keys and what changes them; asked for only where names are not enough. */
  open(): Promise<{ keys: KeyStore; changes: KeyChanges }>;
  /** Standard output and standard error. */
  print: Print;
  complain: Print;
  log: Log;
  /** Asks at the terminal; rejects when standard input ends. */
  ask: Ask;
}

/** What can be asked for, in the order in which the first wins; listing everything is what is left. */
const ACTIONS = [
  'gen_keys',
  'gen_signature',
  'list',
  'list_all',
  'print',
  'print_all',
  'accept',
  'accept_all',
  'reject',
  'reject_all',
  'delete',
  'delete_all',
  'finger',
  'finger_all',
] as const;

const WORDS: Readonly<Record<string, string>> = {
  minions_pre: 'unaccepted',
  minions: 'accepted',
  minions_rejected: 'rejected',
  minions_denied: 'denied',
};

/** Runs a `salt-key` command line and answers the exit code. Throws CommandLineExit. */
export async function runSaltKey(parts: SaltKeyParts): Promise<number> {
  const { line, opts, print } = parts;
  if (opts.str('eauth') || opts.flag('mktoken'))
    throw usageError('salt-key', 'a login is of no use here: keys are changed as the user who calls');
  if (line.options.get('delete_all') === true && line.args.length) {
    parts.complain('Error: Delete all takes no arguments. Use -d to delete specified keys\n');
    return 0;
  }
  try {
    await new KeyCommand(parts).run();
    return 0;
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    if (!opts.flag('quiet')) (await import('../sls/output/print.ts')).printData(e.message, 'nested', opts, print);
    return 1;
  }
}

class KeyCommand {
  constructor(private readonly p: SaltKeyParts) {}

  private text(option: string): string {
    const v = this.p.line.options.get(option);
    return typeof v === 'string' ? v : '';
  }
  private on(option: string): boolean {
    return this.p.line.options.get(option) === true;
  }
  /** Shows keys. Other outputters than the usual one, and a file to print to, are loaded only where they are asked for. */
  private async show(data: PyDict): Promise<void> {
    const { opts, print, log } = this.p;
    if (opts.str('output') || opts.str('output_file') || data.has('return'))
      return (await import('../sls/output/print.ts')).printData(data, 'key', opts, print, { log });
    const text = trimEnd(keyOutputter.output(data, { opts: opts.with({ color: colorOf(opts) }), log }));
    if (text) print(`${text}\n`);
  }

  async run(): Promise<void> {
    const { opts } = this.p;
    const action = ACTIONS.find((a) => this.on(a) || this.text(a) !== '') ?? 'list_all';
    const name = action.replace(/_all$/, '');
    const match = action === 'list_all' ? 'all' : action.endsWith('_all') ? '*' : this.text(action);
    const hashType = opts.str('hash_type', 'sha256');
    const bits = opts.num('keysize', 2048);
    if (name === 'list') {
      const found = listStatus(listKeys(opts.str('pki_dir')), match);
      found.delete('local');
      return this.show(asDict(found));
    }
    // What only lists stays clear of the cryptography: loading that takes as long as all the rest.
    const { fingerprints, keyTexts, makeKeys, makeSignature } = await import('./key-commands.ts');
    switch (name) {
      case 'gen_keys':
        await makeKeys(this.text('gen_keys_dir') || '.', match, bits, hashType);
        return;
      case 'gen_signature':
        return this.show(
          new PyDict<Py>([
            [
              'return',
              await makeSignature(opts, {
                priv: this.text('priv'),
                pub: this.text('pub'),
                signaturePath: this.text('signature_path'),
                autoCreate: this.on('auto_create'),
                bits,
              }),
            ],
          ]),
        );
      case 'print':
        return this.show(keyTexts((await this.p.open()).keys, match));
      case 'finger':
        return this.show(fingerprints((await this.p.open()).keys, match, opts.str('pki_dir'), hashType));
      case 'accept':
      case 'reject':
      case 'delete':
        return this.change(name, match);
    }
  }

  /** The states whose keys the command may touch. */
  private states(action: 'accept' | 'reject' | 'delete'): KeyState[] {
    if (action === 'delete') return [...GROUPS];
    const more = this.on('include_all');
    const states: KeyState[] = ['minions_pre'];
    if (action === 'accept' && (more || this.on('include_rejected'))) states.push('minions_rejected');
    if (this.on('include_denied')) states.push('minions_denied');
    if (action === 'reject' && (more || this.on('include_accepted'))) states.push('minions');
    return states;
  }

  private async change(action: 'accept' | 'reject' | 'delete', match: string): Promise<void> {
    const { print } = this.p;
    const states = this.states(action);
    const found = new Map<Group, string[]>(
      [...globMatch(listKeys(this.p.opts.str('pki_dir')), match)].filter(([g]) => states.includes(g as KeyState)),
    );
    const ed = `${action.replace(/e$/, '')}ed`;
    if (!found.size) {
      print(`The key glob '${match}' does not match any ${this.sought(action)} keys.\n`);
      return;
    }
    print(`The following keys are going to be ${ed}:\n`);
    await this.show(asDict(found));
    if (!(await this.confirmed(action === 'delete'))) return;
    const { keys, changes } = await this.p.open();
    let done: string[];
    if (action === 'accept') {
      const { dropUnusable } = await import('./key-commands.ts');
      for (const id of dropUnusable(keys, found, states)) {
        this.p.log.error(`Invalid RSA public key: ${id}`);
        this.p.complain(`Unable to accept invalid key for ${id}.\n`);
      }
      done = await changes.accept(found, states);
    } else if (action === 'reject') done = await changes.reject(found, states);
    else done = await changes.delete(found, this.p.opts.get('preserve_minions') === true);
    const changed = new Set(done);
    for (const id of [...found.values()].flat()) if (changed.has(id)) print(`Key for minion ${id} ${ed}.\n`);
  }

  private sought(action: 'accept' | 'reject' | 'delete'): string {
    const words = ['unaccepted'];
    const more = this.on('include_all');
    if (this.on('include_accepted') || (more && action === 'reject')) words.push(WORDS['minions'] as string);
    if (this.on('include_rejected') || (more && action === 'accept')) words.push(WORDS['minions_rejected'] as string);
    if (this.on('include_denied')) words.push(WORDS['minions_denied'] as string);
    return words.length === 1 ? (words[0] as string) : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
  }

  /** Asks, unless `--yes`. No answer to the question means yes, but no where keys are deleted. */
  private async confirmed(deletes: boolean): Promise<boolean> {
    if (this.on('yes')) return true;
    let answer: string;
    try {
      answer = await this.p.ask(deletes ? 'Proceed? [N/y] ' : 'Proceed? [n/Y] ', false);
    } catch (e) {
      throw new SaltError('CommandExecutionError', messageOf(e));
    }
    return (answer || (deletes ? 'n' : 'y')).toLowerCase().startsWith('y');
  }
}
