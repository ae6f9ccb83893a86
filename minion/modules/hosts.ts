/** The hosts file: addresses and the names that they go by. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type Py, PyDict } from '../../bus/values.ts';
import { type Args, fn } from '../../sls/signature.ts';
import { contains, isList, str, truth } from '../../sls/values.ts';
import { docFor } from '../doc-text.ts';
import type { ExecutionModule, ModuleCtx } from './contract.ts';

const doc = docFor('hosts');
const text = (a: Args, key: string): string => str(a[key] as Py);
const filePath = (ctx: ModuleCtx): string => str(ctx.salt.call('config.option', ['hosts.file']));

/** The file, made where there is none; undefined where something else lies there. */
function madeFile(ctx: ModuleCtx): string | undefined {
  const path = filePath(ctx);
  if (!existsSync(path)) writeFileSync(path, '');
  return statSync(path).isFile() ? path : undefined;
}

/** Addresses with `aliases` and perhaps `comment`, and lines of comment as `comment-N`, in the order of the file. */
function list(ctx: ModuleCtx): PyDict {
  const path = filePath(ctx);
  const out = new PyDict();
  if (!existsSync(path)) return out;
  let comments = 0;
  for (const raw of readFileSync(path, 'utf8').split('\n')) {
    const line = raw.trim();
    if (!line) continue;
    if (line.startsWith('#')) {
      out.set(`comment-${comments}`, [line]);
      comments += 1;
      continue;
    }
    const hash = line.indexOf('#');
    const comment = hash < 0 ? '' : line.slice(hash + 1).trimStart();
    const [ip = '', ...names] = (hash < 0 ? line : line.slice(0, hash)).trim().split(/\s+/);
    const old = out.get(ip);
    const entry = old instanceof PyDict ? old : new PyDict<Py>([['aliases', []]]);
    (entry.get('aliases') as Py[]).push(...names);
    if (comment) entry.set('comment', comment);
    out.set(ip, entry);
  }
  return out;
}

const aliases = (hosts: PyDict, ip: Py): Py[] | undefined => {
  const entry = hosts.get(ip);
  return entry instanceof PyDict ? (entry.get('aliases') as Py[]) : undefined;
};

function write(hosts: PyDict, path: string): void {
  let out = '';
  for (const [ip, entry] of hosts) {
    if (!(entry instanceof PyDict)) out += `${isList(entry) ? entry.map(str).join('') : ''}\n`;
    else {
      const comment = entry.get('comment');
      const names = (entry.get('aliases') as Py[]).map(str).join(' ');
      out += `${`${str(ip)}\t\t${names}${comment === undefined ? '' : `\t\t# ${str(comment)}`}`.trim()}\n`;
    }
  }
  writeFileSync(path, out);
}

function hasPair(ip: Py, alias: Py, ctx: ModuleCtx): boolean {
  const names = aliases(list(ctx), ip);
  if (!names) return false;
  return isList(alias) ? alias.every((x) => contains(names, x)) : contains(names, alias);
}

/** Changes lines of the file byte for byte; `change` answers undefined to keep a line. */
function editLines(path: string, ip: string, change: (line: string) => string | undefined): string[] {
  const lines = readFileSync(path, 'latin1').match(/[^\n]*\n|[^\n]+$/g) ?? [];
  return lines.map((line) => {
    const bare = line.trim();
    return bare && !bare.startsWith('#') && bare.split(/\s+/)[0] === ip ? (change(bare) ?? line) : line;
  });
}
const bytes = (v: string): string => Buffer.from(v).toString('latin1');

function setHost(a: Args, ctx: ModuleCtx): Py {
  const path = madeFile(ctx);
  if (path === undefined) return false;
  const ip = text(a, 'ip');
  const alias = text(a, 'alias');
  const comment = truth(a['comment'] as Py) ? `\t\t# ${text(a, 'comment')}` : '';
  const line = alias.trim() ? bytes(`${ip}\t\t${alias}${comment}\n`) : '';
  let done = false;
  const lines = editLines(path, bytes(ip), () => {
    const first = !done;
    done = true;
    return first ? line : '';
  });
  if (!done) {
    const last = lines.at(-1);
    if (last && !last.endsWith('\n')) lines[lines.length - 1] = `${last}\n`;
    lines.push(line);
  }
  writeFileSync(path, lines.join(''), 'latin1');
  return true;
}

function rmHost(a: Args, ctx: ModuleCtx): Py {
  if (!hasPair(a['ip'] as Py, a['alias'] as Py, ctx)) return true;
  const path = filePath(ctx);
  const gone = bytes(text(a, 'alias'));
  const lines = editLines(path, bytes(text(a, 'ip')), (line) => {
    const hash = line.indexOf('#');
    const comment = hash < 0 ? '' : line.slice(hash + 1).trimStart();
    const [ip, ...names] = (hash < 0 ? line : line.slice(0, hash)).trim().split(/\s+/);
    const kept = names.filter((n) => n !== gone);
    return kept.length ? `${ip}\t\t${kept.map((n) => `${n} `).join('')}${comment ? `# ${comment}` : ''}\n` : '';
  });
  writeFileSync(path, lines.join(''), 'latin1');
  return true;
}

export default {
  doc: 'Reads and changes the hosts file.',
  functions: {
    list_hosts: fn('list_hosts()', doc('All addresses with their names and comments.', 'list_hosts'), (_a, ctx) =>
      list(ctx),
    ),
    get_ip: fn('get_ip(host)', doc('First address of a name; empty for none.', 'get_ip db.example.com'), (a, ctx) => {
      const hosts = list(ctx);
      for (const ip of hosts.keys()) if (contains(aliases(hosts, ip) ?? [], a['host'] as Py)) return ip;
      return '';
    }),
    get_alias: fn('get_alias(ip)', doc('Names of an address.', 'get_alias 10.0.0.5'), (a, ctx) => {
      return aliases(list(ctx), a['ip'] as Py) ?? [];
    }),
    has_pair: fn(
      'has_pair(ip, alias)',
      doc('Whether an address has a name, or all names of a list.', 'has_pair 10.0.0.5 db.example.com'),
      (a, ctx) => hasPair(a['ip'] as Py, a['alias'] as Py, ctx),
    ),
    set_host: fn(
      'set_host(ip, alias, comment=None)',
      doc('Gives an address this name and no other; an empty name removes the address.', 'set_host 10.0.0.5 db'),
      setHost,
    ),
    rm_host: fn('rm_host(ip, alias)', doc('Takes a name from an address.', 'rm_host 10.0.0.5 db'), rmHost),
    add_host: fn('add_host(ip, alias)', doc('Gives an address one more name.', 'add_host 10.0.0.5 db'), (a, ctx) => {
      const path = madeFile(ctx);
      if (path === undefined) return false;
      const ip = a['ip'] as Py;
      const alias = a['alias'] as Py;
      if (hasPair(ip, alias, ctx)) return true;
      const hosts = list(ctx);
      const names = aliases(hosts, ip);
      if (names) names.push(alias);
      else hosts.set(ip, new PyDict<Py>([['aliases', [alias]]]));
      write(hosts, path);
      return true;
    }),
    set_comment: fn(
      'set_comment(ip, comment)',
      doc('Sets the comment of an address.', "set_comment 10.0.0.5 'the database'"),
      (a, ctx) => {
        const path = madeFile(ctx);
        if (path === undefined) return false;
        const hosts = list(ctx);
        const entry = hosts.get(a['ip'] as Py);
        if (!(entry instanceof PyDict)) return false;
        if (entry.get('comment') !== a['comment']) {
          entry.set('comment', a['comment'] as Py);
          write(hosts, path);
        }
        return true;
      },
    ),
  },
} satisfies ExecutionModule;
