import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { TowlineError } from '../../core/errors.ts';

/** What the edge says about where a request came from. */
export interface Origin {
  /** The value of `X-Forwarded-For`. */
  forwardedFor: string;
  proto: string;
  host: string;
  /** Whether the peer is a proxy that is believed. */
  trusted: boolean;
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

/** Throws `config_invalid` for what isn't an address or a CIDR range. */
function trustList(ranges: readonly string[]): BlockList | undefined {
  if (ranges.length === 0) return undefined;
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const prefix = bits === undefined ? (isIP(address) === 6 ? 128 : 32) : Number(bits);
    try {
      list.addSubnet(address, prefix, family(address));
    } catch (cause) {
      const message = `trusted proxies: "${range}" is neither an address nor a CIDR range`;
      throw new TowlineError('config_invalid', message, { cause });
    }
  }
  return list;
}

function peerAddress(req: IncomingMessage): string {
  const address = req.socket.remoteAddress ?? '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

function single(value: string | string[] | undefined): string | undefined {
  const text = Array.isArray(value) ? value.join(', ') : value;
  return text === '' ? undefined : text;
}

const protos = new Set(['http', 'https']);
const hostValue = /^[A-Za-z0-9_.:[\]-]{1,260}$/;

/** What clients claim in `X-Forwarded-*` counts only if the peer is one of `trustedProxies`. */
export function createOriginReader(trustedProxies: readonly string[]): (req: IncomingMessage) => Origin {
  const trust = trustList(trustedProxies);
  return (req) => {
    const peer = peerAddress(req);
    const proto = (req.socket as TLSSocket).encrypted ? 'https' : 'http';
    const host = req.headers.host ?? '';
    if (!trust || isIP(peer) === 0 || !trust.check(peer, family(peer))) {
      return { forwardedFor: peer, proto, host, trusted: false };
    }
    const prior = single(req.headers['x-forwarded-for']);
    const claimedProto = single(req.headers['x-forwarded-proto'])?.toLowerCase();
    const claimedHost = single(req.headers['x-forwarded-host']);
    return {
      forwardedFor: prior === undefined ? peer : `${prior}, ${peer}`,
      proto: claimedProto !== undefined && protos.has(claimedProto) ? claimedProto : proto,
      host: claimedHost !== undefined && hostValue.test(claimedHost) ? claimedHost : host,
      trusted: true,
    };
  };
}
