import { SaltError } from '../../bus/errors.ts';
import { formatAddress, inNetwork, parseAddress, parseNetwork } from '../ip-address.ts';
import { contains, type Py, type PyDict, str } from '../values.ts';
import type { Matcher } from './contract.ts';

/** Compiles an address or network; undefined if the text is neither. The test is given a minion's grains. */
export function ipTarget(tgt: Py): ((grains: PyDict) => boolean) | undefined {
  if (typeof tgt !== 'string') return undefined;
  const address = parseAddress(tgt);
  const network = address ? undefined : parseNetwork(tgt);
  const wanted = address ?? network;
  if (!wanted) return undefined;
  return (grains) => {
    const own = grains.get(`ipv${wanted.version}`);
    if (own === undefined) return false;
    if (!network) return contains(own, formatAddress(wanted));
    return (Array.isArray(own) ? own : [own]).some((item: Py) => {
      const ip = parseAddress(str(item));
      if (!ip) throw new SaltError('ValueError', `'${str(item)}' does not appear to be an IPv4 or IPv6 address`);
      return inNetwork(ip, network);
    });
  };
}

/** One of the minion's addresses (grains ipv4, ipv6) is the address given or lies in the network given. */
export const ipcidr: Matcher = (tgt, subject) => {
  const test = ipTarget(tgt);
  return test !== undefined && subject.grains !== undefined && test(subject.grains);
};
