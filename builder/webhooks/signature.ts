import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { Webhooks } from '@octokit/webhooks';

/** Whether the header is the HMAC-SHA256 of these bytes by one of the secrets; compared in constant time. */
export type SignatureCheck = (body: Buffer, header: string | undefined) => Promise<boolean>;

const shape = /^sha256=[0-9a-f]{64}$/;

/** Whether a header has GitHub's form at all. */
export function isSignature(header: string | undefined): boolean {
  return header !== undefined && shape.test(header);
}

// Bytes that are no UTF-8 would be replaced, and then others than those that were signed would be read.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(body: Buffer): string | undefined {
  try {
    return decoder.decode(body);
  } catch {
    return undefined;
  }
}

/** GitHub's form, `sha256=<hex>`. Without secrets nothing is signed. */
export function createSignatureCheck(secrets: readonly string[]): SignatureCheck {
  const verifiers = secrets.map((secret) => new Webhooks({ secret }));
  return async (body, header) => {
    const text = decode(body);
    if (!text || header === undefined || !isSignature(header)) return false;
    const results = await Promise.all(verifiers.map((webhooks) => webhooks.verify(text, header)));
    return results.includes(true);
  };
}

/** Gitea's and Forgejo's form: the same digest without its prefix. */
export function createHexSignatureCheck(secrets: readonly string[]): SignatureCheck {
  const check = createSignatureCheck(secrets);
  return (body, header) => check(body, header === undefined ? undefined : `sha256=${header}`);
}

/** Whether `given` is one of the tokens; takes as long whichever it is, and whatever their lengths. */
export function createTokenCheck(tokens: readonly string[]): (given: string | undefined) => boolean {
  const digest = (text: string) => createHash('sha256').update(text, 'utf8').digest();
  const known = tokens.filter((token) => token !== '').map(digest);
  return (given) => {
    if (given === undefined || given === '') return false;
    const digested = digest(given);
    return known.map((each) => timingSafeEqual(each, digested)).includes(true);
  };
}

/** The three headers of a delivery that is signed as Standard Webhooks describes. */
export interface SignedDelivery {
  id: string | undefined;
  /** Seconds since the epoch. */
  timestamp: string | undefined;
  /** Several, separated by spaces; `v1,<base64>` each. */
  signatures: string | undefined;
}

const toleranceS = 5 * 60;
const maxSignatures = 10;

function signingKey(secret: string): Buffer {
  const encoded = /^whsec_([A-Za-z0-9+/_=-]+)$/.exec(secret)?.[1];
  return encoded === undefined ? Buffer.from(secret, 'utf8') : Buffer.from(encoded, 'base64');
}

/**
 * As standardwebhooks.com describes, and GitLab signs with its signing tokens: HMAC-SHA256 over `<id>.<timestamp>.<body>`,
 * not older or newer than five minutes. `now` is in milliseconds.
 */
export function createStandardSignatureCheck(secrets: readonly string[], now: () => number = Date.now) {
  // A key of nothing would be everybody's.
  const keys = secrets.map(signingKey).filter((key) => key.length > 0);
  return (body: Buffer, { id, timestamp, signatures }: SignedDelivery): boolean => {
    if (!id || id.length > 200 || !signatures || !timestamp || !/^\d{1,12}$/.test(timestamp)) return false;
    if (decode(body) === undefined) return false;
    if (Math.abs(now() / 1000 - Number(timestamp)) > toleranceS) return false;
    const given = signatures
      .split(' ')
      .slice(0, maxSignatures)
      .filter((each) => each.startsWith('v1,'))
      .map((each) => Buffer.from(each.slice(3)));
    const matches = keys.flatMap((key) => {
      const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
      return given.map((each) => isSame(each, Buffer.from(expected)));
    });
    return matches.includes(true);
  };
}

function isSame(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
