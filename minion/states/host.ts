/** Entries of the hosts file. */
import { isIP } from 'node:net';
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { contains, isStr, str, truth } from '../../sls/values.ts';
import { answer, entries, say } from '../state/answer.ts';
import type { StateCtx, StateModule } from './contract.ts';

const list = (v: Py): Py[] => (Array.isArray(v) ? (v as Py[]) : [v]);

/** Adds a value to the list under `changes[what][address]`. */
function note(ret: PyDict, what: string, address: string, value: Py): void {
  const changes = ret.get('changes') as PyDict;
  const own = changes.get(what);
  const map = own instanceof PyDict ? own : new PyDict();
  changes.set(what, map);
  const values = map.get(address);
  map.set(address, [...(Array.isArray(values) ? (values as Py[]) : []), value]);
}

function present(a: Args, ctx: StateCtx): PyDict {
  const name = str(a['name'] as Py);
  const ips = list(a['ip'] as Py);
  const comment = str(a['comment'] ?? '');
  const ret = answer(name);
  const all = ctx.salt.call('hosts.list_hosts') as PyDict;
  const lines: string[] = [];
  const add = ips.map((ip) => str(ip)).filter((ip) => !all.has(ip));
  const remark = comment ? [...add] : [];
  const remove: string[] = [];
  const warnings: string[] = [];
  for (const [key, entry] of all) {
    const address = str(key);
    const host = entry instanceof PyDict ? entry : new PyDict();
    const has = contains(host.get('aliases') ?? [], name);
    if (!contains(ips, address)) {
      if (!has) continue;
      if (truth(a['clean'] ?? false)) remove.push(address);
      else
        warnings.push(
          `Host ${name} present for IP address ${address}. To get rid of this warning, either run this state with 'clean' set to True to remove ${name} from ${address}, or add ${address} to the 'ip' argument.`,
        );
    } else if (has) {
      if (comment && host.get('comment') !== comment) remark.push(address);
      else lines.push(`Host ${name} (${address}) already present`);
    } else if (isIP(address)) {
      add.push(address);
      if (comment) remark.push(address);
    } else {
      ret.set('result', false);
      lines.push(`Invalid IP Address for ${name} (${address})`);
    }
  }
  if (warnings.length) ret.set('warnings', warnings);
  const each = (
    addresses: readonly string[],
    what: string,
    value: Py,
    words: { would: string; done: string; failed: string },
    act: (address: string) => Py,
    counts = true,
  ): void => {
    for (const address of new Set(addresses)) {
      const fill = (t: string): string => t.replace('{}', address);
      if (ctx.test) {
        if (counts) ret.set('result', null);
        lines.push(fill(words.would));
      } else if (truth(act(address))) lines.push(fill(words.done));
      else {
        ret.set('result', false);
        lines.push(fill(words.failed));
        continue;
      }
      note(ret, what, address, value);
    }
  };
  each(
    add,
    'added',
    name,
    {
      would: `Host ${name} ({}) would be added`,
      done: `Added host ${name} ({})`,
      failed: `Failed to add host ${name} ({})`,
    },
    (address) => ctx.salt.call('hosts.add_host', [address, name]),
  );
  each(
    remark,
    'comment_added',
    comment,
    {
      would: `Comment for {} (${comment}) would be added`,
      done: `Set comment for host {} (${comment})`,
      failed: `Failed to add comment for host {} (${comment})`,
    },
    (address) => ctx.salt.call('hosts.set_comment', [address, comment]),
    false,
  );
  each(
    remove,
    'removed',
    name,
    {
      would: `Host ${name} ({}) would be removed`,
      done: `Removed host ${name} ({})`,
      failed: `Failed to remove host ${name} ({})`,
    },
    (address) => ctx.salt.call('hosts.rm_host', [address, name]),
  );
  ret.set('comment', lines.join('\n'));
  return ret;
}

function absent(a: Args, ctx: StateCtx): PyDict {
  const name = str(a['name'] as Py);
  const ret = answer(name, null);
  const lines: string[] = [];
  for (const ip of list(a['ip'] as Py)) {
    if (!truth(ctx.salt.call('hosts.has_pair', [ip, name]))) {
      ret.set('result', true);
      lines.push(`Host ${name} (${str(ip)}) already absent`);
    } else if (ctx.test) lines.push(`Host ${name} (${str(ip)}) needs to be removed`);
    else if (truth(ctx.salt.call('hosts.rm_host', [ip, name]))) {
      ret.set('changes', entries(['host', name]));
      ret.set('result', true);
      lines.push(`Removed host ${name} (${str(ip)})`);
    } else {
      ret.set('result', false);
      lines.push('Failed to remove host');
    }
  }
  ret.set('comment', lines.join('\n'));
  return ret;
}

function only(a: Args, ctx: StateCtx): PyDict {
  const name = str(a['name'] as Py);
  const ret = answer(name, null);
  const given = a['hostnames'] as Py;
  const old = (ctx.salt.call('hosts.get_alias', [name]) as Py[]).map((h) => str(h)).join(' ');
  const now = (isStr(given) ? [given] : list(given)).map((h) => str(h).trim()).join(' ');
  if (old === now) return say(ret, true, `IP address ${name} already set to "${now}"`);
  if (ctx.test) return say(ret, null, `Would change ${name} from "${old}" to "${now}"`);
  const done = ctx.salt.call('hosts.set_host', [name, now]);
  if (!truth(done)) return say(ret, done, `hosts.set_host failed to change ${name} from "${old}" to "${now}"`);
  ret.set('changes', entries([name, entries(['old', old], ['new', now])]));
  return say(ret, done, `successfully changed ${name} from "${old}" to "${now}"`);
}

export default {
  doc: 'Manages the hosts file.',
  functions: {
    present: fn("present(name, ip, comment='', clean=False)", 'Makes sure that a name has addresses.', present),
    absent: fn('absent(name, ip)', 'Makes sure that a name does not have addresses.', absent),
    only: fn('only(name, hostnames)', 'Makes sure that an address has these names and no others.', only),
  },
} satisfies StateModule;
