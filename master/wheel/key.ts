/** The keys of minions, and the master's own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SaltError } from '../../bus/errors.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import { fingerOfBody, PrivateKey } from '../../bus/wire/keys.ts';
import { isMinionId } from '../../bus/wire/minion-id.ts';
import { fnmatch } from '../../sls/fnmatch.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { numberOf, str, truth } from '../../sls/values.ts';
import {
  dropUnusable,
  fingerprints,
  type KeyChanges,
  keyChanges,
  keyTexts,
  makeKeys,
  makeSignature,
} from '../key-commands.ts';
import { allKeys, asDict, GROUPS, type Group, globMatch, type KeyState, listStatus, sortNames } from '../key-names.ts';
import type { WheelCtx, WheelModule } from './contract.ts';

const changes = (ctx: WheelCtx): KeyChanges => keyChanges(ctx.keys, (order, data) => ctx.master(order, data));

/** A map of ids by state, as the functions ending in _dict take it. */
function given(match: Py): Map<Group, string[]> {
  const found = new Map<Group, string[]>();
  if (match instanceof PyDict)
    for (const state of GROUPS) {
      const ids = match.get(state);
      if (Array.isArray(ids)) found.set(state, ids.map(str));
    }
  return found;
}

/** Where the ids of a map are now. */
function whereNow(ctx: WheelCtx, ids: ReadonlyMap<Group, readonly string[]>): PyDict {
  const now = ctx.keys.list();
  const found = new Map<Group, string[]>();
  for (const id of [...ids.values()].flatMap((list) => sortNames(list)))
    for (const state of ['minions', 'minions_pre', 'minions_rejected', 'minions_denied'] as const)
      if (now[state].some((name) => fnmatch(name, id))) found.set(state, [...(found.get(state) ?? []), id]);
  return asDict(found);
}

async function move(action: 'accept' | 'reject', ids: Map<Group, string[]>, a: Args, ctx: WheelCtx): Promise<void> {
  const states: KeyState[] = ['minions_pre'];
  if (truth(a['include_rejected'] ?? false)) states.push('minions_rejected');
  if (truth(a['include_denied']!)) states.push('minions_denied');
  if (truth(a['include_accepted'] ?? false)) states.push('minions');
  if (action === 'accept')
    for (const id of dropUnusable(ctx.keys, ids, states)) ctx.log.error(`Invalid RSA public key: ${id}`);
  await changes(ctx)[action](ids, states);
}

const byGlob =
  (action: 'accept' | 'reject') =>
  async (a: Args, ctx: WheelCtx): Promise<Py> => {
    await move(action, globMatch(ctx.keys.list(), a['match']!), a, ctx);
    return asDict(globMatch(ctx.keys.list(), a['match']!));
  };
const byDict =
  (action: 'accept' | 'reject') =>
  async (a: Args, ctx: WheelCtx): Promise<Py> => {
    const ids = given(a['match']!);
    await move(action, new Map(ids), a, ctx);
    return whereNow(ctx, ids);
  };

const bitsOf = (v: Py, fallback = 2048): number => Math.max(2048, truth(v) ? (numberOf(v) ?? fallback) : fallback);

async function newPair(v: Py): Promise<PyDict> {
  const bits = bitsOf(v);
  if (bits > 16384) throw new SaltError('ValueError', 'The maximum value for keysize is 16384');
  const key = await PrivateKey.generate(bits);
  return new PyDict<Py>([
    ['priv', key.toPem().trimEnd()],
    ['pub', key.public.pem],
  ]);
}

function masterKey(ctx: WheelCtx): string {
  try {
    return readFileSync(join(ctx.opts.str('pki_dir'), 'master.pub'), 'utf8');
  } catch (e) {
    throw new SaltError('CommandExecutionError', messageOf(e));
  }
}

const local = (value: Py): PyDict => new PyDict<Py>([['local', new PyDict<Py>([['master.pub', value]])]]);
const hashOf = (a: Args, ctx: WheelCtx): string =>
  truth(a['hash_type']!) ? str(a['hash_type']!) : ctx.opts.str('hash_type', 'sha256');
const example = (call: string): string => `\n\nCLI Example:\n\n    salt-call saltutil.wheel key.${call}`;

export default {
  doc: 'Shows, accepts, rejects, deletes and makes keys.',
  functions: {
    list: fn(
      'list_(match)',
      `Names of keys of one kind: accepted, pre or un, rejected, denied; or all.${example('list acc')}`,
      (a, ctx) => asDict(listStatus(ctx.keys.list(), str(a['match']!))),
    ),
    list_all: fn(
      'list_all()',
      `Names of all keys by state, the master's own under local.${example('list_all')}`,
      (_a, ctx) => asDict(allKeys(ctx.keys.list())),
    ),
    name_match: fn(
      'name_match(match)',
      `Names that fit a shell pattern, by state.${example("name_match 'web*'")}`,
      (a, ctx) => asDict(globMatch(ctx.keys.list(), a['match']!)),
    ),
    glob_match: fn(
      'glob_match(match)',
      `Names that fit a shell pattern, by state.${example("glob_match 'web*'")}`,
      (a, ctx) => asDict(globMatch(ctx.keys.list(), a['match']!)),
    ),
    accept: fn(
      'accept(match, include_rejected=False, include_denied=False)',
      `Accepts waiting keys that fit a shell pattern; answers where the keys are then.${example('accept web1')}`,
      byGlob('accept'),
    ),
    accept_dict: fn(
      'accept_dict(match, include_rejected=False, include_denied=False)',
      `Accepts the keys named by state; answers where they are then.${example('accept_dict \'{"minions_pre": ["web1"]}\'')}`,
      byDict('accept'),
    ),
    reject: fn(
      'reject(match, include_accepted=False, include_denied=False)',
      `Rejects waiting keys that fit a shell pattern; answers where the keys are then.${example('reject web1')}`,
      byGlob('reject'),
    ),
    reject_dict: fn(
      'reject_dict(match, include_accepted=False, include_denied=False)',
      `Rejects the keys named by state; answers where they are then.${example('reject_dict \'{"minions_pre": ["web1"]}\'')}`,
      byDict('reject'),
    ),
    delete: fn('delete(match)', `Deletes keys that fit a shell pattern.${example('delete web1')}`, async (a, ctx) => {
      await changes(ctx).delete(globMatch(ctx.keys.list(), a['match']!));
      return asDict(globMatch(ctx.keys.list(), a['match']!));
    }),
    delete_dict: fn(
      'delete_dict(match)',
      `Deletes the keys named by state.${example('delete_dict \'{"minions": ["web1"]}\'')}`,
      async (a, ctx) => {
        const ids = given(a['match']!);
        await changes(ctx).delete(ids);
        return whereNow(ctx, ids);
      },
    ),
    print: fn(
      'key_str(match)',
      `Texts of the keys that fit a shell pattern, by state.${example("print 'web*'")}`,
      (a, ctx) => keyTexts(ctx.keys, a['match']!),
    ),
    finger: fn(
      'finger(match, hash_type=None)',
      `Fingerprints of the keys that fit a shell pattern, by state.${example("finger '*'")}`,
      (a, ctx) => fingerprints(ctx.keys, a['match']!, ctx.opts.str('pki_dir'), hashOf(a, ctx)),
    ),
    finger_master: fn(
      'finger_master(hash_type=None)',
      `The fingerprint of the master's key, as minions take it for master_finger.${example('finger_master')}`,
      (a, ctx) => local(fingerOfBody(masterKey(ctx), hashOf(a, ctx))),
    ),
    master_key_str: fn(
      'master_key_str()',
      `The text of the master's public key.${example('master_key_str')}`,
      (_a, ctx) => local(masterKey(ctx).trimEnd()),
    ),
    gen: fn(
      'gen(id_=None, keysize=2048)',
      `Makes a pair of keys and answers it; nothing of it is kept.${example('gen')}`,
      (a) => newPair(a['keysize']!),
    ),
    gen_accept: fn(
      'gen_accept(id_, keysize=2048, force=False)',
      `Makes a pair of keys for a minion, accepts the public one and answers both. An empty map when the minion has a key, unless force.${example('gen_accept web1')}`,
      async (a, ctx) => {
        const id = a['id_']!;
        if (!isMinionId(id)) throw new SaltError('ValueError', `key ${JSON.stringify(id)} is not a valid minion_id`);
        const known = (['minions', 'minions_pre', 'minions_rejected'] as const).some(
          (s) => ctx.keys.get(id, s) !== undefined,
        );
        if (known && !truth(a['force']!)) return new PyDict();
        const pair = await newPair(a['keysize']!);
        ctx.keys.put(id, 'minions', str(pair.get('pub')!));
        return pair;
      },
    ),
    gen_keys: fn(
      'gen_keys(keydir=None, keyname=None, keysize=None, user=None)',
      `Makes a pair of keys in a folder of the master's machine and answers its fingerprint.${example('gen_keys /root/keys web1')}`,
      (a, ctx) => {
        const dir = truth(a['keydir']!) ? str(a['keydir']!) : ctx.opts.str('pki_dir');
        const name = truth(a['keyname']!) ? str(a['keyname']!) : 'minion';
        const bits = bitsOf(a['keysize']!, ctx.opts.num('keysize', 2048));
        return makeKeys(dir, name, bits, ctx.opts.str('hash_type', 'sha256'));
      },
    ),
    gen_signature: fn(
      'gen_signature(priv, pub, signature_path, auto_create=False, keysize=None)',
      `Signs the master's public key for minions that verify it; empty arguments mean the usual files.${example("gen_signature '' '' ''")}`,
      (a, ctx) =>
        makeSignature(ctx.opts, {
          priv: truth(a['priv']!) ? str(a['priv']!) : '',
          pub: truth(a['pub']!) ? str(a['pub']!) : '',
          signaturePath: truth(a['signature_path']!) ? str(a['signature_path']!) : '',
          autoCreate: truth(a['auto_create']!),
          bits: bitsOf(a['keysize']!, ctx.opts.num('keysize', 2048)),
        }),
    ),
  },
} satisfies WheelModule;
