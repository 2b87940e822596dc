import { createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { TowlineError } from '../../core/errors.ts';
import { createSshReader } from './ssh-wire.ts';

const magic = 'openssh-key-v1\0';

/** A private key as `ssh-keygen` writes it, or as PEM; without a passphrase. Errors never hold any of it. */
export function readPrivateKey(text: string): KeyObject {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----/.exec(
    text,
  );
  try {
    return body?.[1] === undefined ? createPrivateKey(text) : fromOpenSsh(Buffer.from(body[1], 'base64'));
  } catch (error) {
    if (error instanceof TowlineError) throw error;
    throw new TowlineError('config_invalid', 'the signing key cannot be read', { hint });
  }
}

const hint = 'make one with: ssh-keygen -t ed25519 -N "" -f signing-key';

/** Source: PROTOCOL.key of OpenSSH. */
function fromOpenSsh(data: Buffer): KeyObject {
  const outer = createSshReader(data);
  if (outer.bytes(magic.length).toString('latin1') !== magic) throw new Error('not an OpenSSH key');
  const cipher = outer.string().toString('latin1');
  if (cipher !== 'none') {
    throw new TowlineError('config_invalid', 'the signing key has a passphrase', { hint });
  }
  outer.string();
  outer.string();
  if (outer.number() !== 1) throw new Error('more than one key');
  outer.string();
  const inner = createSshReader(outer.string());
  const check = inner.number();
  if (inner.number() !== check) throw new Error('damaged');
  return createPrivateKey({ key: toJwk(inner.string().toString('latin1'), inner), format: 'jwk' });
}

function toJwk(type: string, inner: ReturnType<typeof createSshReader>): JsonWebKey {
  const curve = ecCurves.get(type);
  if (type === 'ssh-ed25519') {
    const x = inner.string();
    return { kty: 'OKP', crv: 'Ed25519', x: url(x), d: url(inner.string().subarray(0, 32)) };
  }
  if (curve) {
    inner.string();
    const point = inner.string().subarray(1);
    const half = point.length / 2;
    const d = padded(inner.string(), half);
    return {
      kty: 'EC',
      crv: curve,
      x: url(point.subarray(0, half)),
      y: url(point.subarray(half)),
      d: url(d),
    };
  }
  if (type !== 'ssh-rsa') throw new Error('an unknown type of key');
  const [n, e, d, qi, p, q] = Array.from({ length: 6 }, () => plain(inner.string()));
  if (!n || !e || !d || !qi || !p || !q) throw new Error('damaged');
  return {
    ...{ kty: 'RSA', n: url(n), e: url(e), d: url(d), p: url(p), q: url(q), qi: url(qi) },
    ...{ dp: url(modulo(d, p)), dq: url(modulo(d, q)) },
  };
}

export const ecCurves: ReadonlyMap<string, string> = new Map([
  ['ecdsa-sha2-nistp256', 'P-256'],
  ['ecdsa-sha2-nistp384', 'P-384'],
  ['ecdsa-sha2-nistp521', 'P-521'],
]);

function url(bytes: Buffer): string {
  return bytes.toString('base64url');
}

function plain(bytes: Buffer): Buffer {
  return bytes[0] === 0 ? bytes.subarray(1) : bytes;
}

function padded(bytes: Buffer, length: number): Buffer {
  const digits = plain(bytes);
  return Buffer.concat([Buffer.alloc(Math.max(0, length - digits.length)), digits]);
}

/** d mod (p − 1), which OpenSSH leaves out. */
function modulo(d: Buffer, p: Buffer): Buffer {
  const rest = BigInt(`0x${d.toString('hex')}`) % (BigInt(`0x${p.toString('hex')}`) - 1n);
  const hex = rest.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}
