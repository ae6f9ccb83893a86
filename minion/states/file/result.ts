/** Results of the file states, and checks that they share. */
import { existsSync } from 'node:fs';
import { type Py, PyDict } from '../../../bus/values.ts';
import type { Args } from '../../../sls/signature.ts';
import { isStr, str, truth } from '../../../sls/values.ts';
import { gidOf, groupName, isAbs, uidOf } from '../../modules/file/inspect.ts';
import { accountOf } from '../../process/accounts.ts';
import type { StateCtx } from '../contract.ts';

export { answer, say } from '../../state/answer.ts';

/** Makes a result a failure. */
export function fail(ret: PyDict, comment: string): PyDict {
  ret.set('result', false);
  ret.set('comment', comment);
  return ret;
}
/** The changes of a result. */
export const changesOf = (ret: PyDict): PyDict => ret.get('changes') as PyDict;
/** Adds a warning to a result. */
export function warn(ret: PyDict, text: string): void {
  const list = ret.get('warnings');
  if (Array.isArray(list)) list.push(text);
  else ret.set('warnings', [text]);
}

/** Keyword arguments beyond the named ones. */
export const kwargsOf = (a: Args): PyDict => (a['kwargs'] instanceof PyDict ? a['kwargs'] : new PyDict());
/** Whether a switch is on. */
export const on = (a: Args, key: string): boolean => truth(a[key] ?? false);

/** The user: `owner`, a common mistake, is taken for it with a warning in the log. */
export function ownerOf(a: Args, ctx: StateCtx): Py {
  const user = a['user'] ?? null;
  if (truth(user)) return user;
  const owner = kwargsOf(a).get('owner');
  if (owner === undefined) return user;
  ctx.log.warning('Use of argument owner found, "owner" is invalid, please use "user"');
  return owner;
}

/** What is wrong with a user and a group: empty when both are there, and under test, when they may come yet. */
export function missingOwners(user: Py, group: Py, ctx: StateCtx): string {
  let text = '';
  if (truth(user) && uidOf(user) === '') text += `User ${str(user)} is not available `;
  if (truth(group) && gidOf(group) === '') text += `Group ${str(group)} is not available`;
  if (!text || !ctx.test) return text;
  ctx.log.warning(text);
  return '';
}

/** The group of a user, where none is named. */
export function groupOfUser(user: Py): Py {
  const account = isStr(user) ? accountOf(str(user)) : typeof user === 'number' ? accountOf(user) : undefined;
  return groupName(account?.gid ?? 0);
}

/** Why a path cannot be edited: it is not absolute, or not there. */
export function unusable(name: string): string | undefined {
  if (!isAbs(name)) return `Specified file ${name} is not an absolute path`;
  return existsSync(name) ? undefined : `${name}: file not found`;
}

/** Texts of an argument that is one or many. */
export function textList(v: Py): string[] {
  if (isStr(v)) return [str(v)];
  if (v instanceof Uint8Array) return [new TextDecoder('utf-8', { fatal: true }).decode(v)];
  if (Array.isArray(v)) return (v as Py[]).map((x) => str(x));
  return [str(v)];
}
