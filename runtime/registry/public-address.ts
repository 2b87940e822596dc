import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Addresses that no public server has. Source: the special-purpose address registries of IANA. */
const special = { 4: new BlockList(), 6: new BlockList() };
const ipv4: [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];
const ipv6: [string, number][] = [
  // Also IPv4 in IPv6, whose address the system may take for the IPv4 one.
  ['::', 96],
  ['::ffff:0:0', 96],
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2001::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];
for (const [net, prefix] of ipv4) special[4].addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of ipv6) special[6].addSubnet(net, prefix, 'ipv6');

/** Whether an address can belong to somebody on the internet rather than to this network or machine. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !special[4].check(address, 'ipv4');
  return family === 6 && !special[6].check(address, 'ipv6');
}

/** Resolves names to public addresses only; judged at the connection itself, so that no second answer slips in. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, []);
    const allowed = addresses.filter(({ address }) => isPublicAddress(address));
    const [first] = allowed;
    if (!first) {
      const refused = Object.assign(new Error(`${hostname} is not a public host`), { code: 'ENOTPUBLIC' });
      return callback(refused, []);
    }
    if (options.all) callback(null, allowed);
    else callback(null, first.address, first.family);
  });
};
