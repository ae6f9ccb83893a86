import { existsSync } from 'node:fs';
import { type Py, PyDict } from '../../bus/values.ts';
import { parseAddress } from '../../sls/ip-address.ts';
import { maskOf } from './interfaces.ts';
import { readText } from './read.ts';

/** Mask of the class an IPv4 address belonged to before masks were written down. */
function naturalPrefix(address: string): number {
  const first = Number(address.split('.')[0]);
  return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32;
}

function sortEntry(word: string): string | undefined {
  const [address = '', mask] = word.split('/');
  if (parseAddress(address)?.version !== 4) return undefined;
  if (mask === undefined) return `${address}/${maskOf(naturalPrefix(address))}`;
  return `${address}/${mask.includes('.') ? mask : maskOf(Number(mask))}`;
}

/** The resolver's configuration as the `dns` grain holds it; empty where there is no such file. */
export function parseResolvConf(text: string | undefined): PyDict {
  if (text === undefined) return new PyDict();
  const nameservers: string[] = [];
  const sortlist: string[] = [];
  const options: string[] = [];
  let search: string[] = [];
  let domain = '';
  for (const line of text.split('\n')) {
    const [directive, ...words] = line.trim().split(/\s+/);
    const end = words.findIndex((w) => w.startsWith('#') || w.startsWith(';'));
    const args = end < 0 ? words : words.slice(0, end);
    const first = args[0];
    if (first === undefined) continue;
    switch (directive?.toLowerCase()) {
      case 'nameserver':
        if (parseAddress(first) && !nameservers.includes(first)) nameservers.push(first);
        break;
      case 'domain':
        domain = first;
        break;
      case 'search':
        search = args;
        break;
      case 'sortlist':
        for (const w of args) {
          const entry = sortEntry(w);
          if (entry && !sortlist.includes(entry)) sortlist.push(entry);
        }
        break;
      case 'options':
        if (!options.includes(first)) options.push(first);
        break;
      default:
    }
  }
  const of = (v: number): string[] => nameservers.filter((n) => parseAddress(n)?.version === v);
  return new PyDict<Py>([
    ['nameservers', nameservers],
    ['ip4_nameservers', of(4)],
    ['ip6_nameservers', of(6)],
    ['sortlist', sortlist],
    ['domain', domain],
    ['search', search],
    ['options', options],
  ]);
}

/** The configuration in use: that of systemd's resolver behind its stub, else /etc/resolv.conf. */
export function resolverSettings(): PyDict {
  const stub = '/run/systemd/resolve/resolv.conf';
  return parseResolvConf(readText(existsSync(stub) ? stub : '/etc/resolv.conf'));
}
