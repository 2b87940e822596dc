import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import { TowlineError } from '../../core/errors.ts';
import { readBody } from '../../runtime/http-service.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

export interface IssuerKeysOptions {
  /** Milliseconds for one fetch. */
  timeoutMs: number;
  /** Milliseconds between two fetches for a key that is not known. */
  cooldownMs: number;
  /** Milliseconds that fetched keys are used without asking again. */
  maxAgeMs: number;
  /** Milliseconds after a failed fetch in which nobody else waits for one. */
  failureCooldownMs: number;
  clock: () => number;
}

const maxBytes = 256 * 1024;

class KeysAway extends Error {}

/** One issuer's public keys, fetched when they are needed. Throws `unavailable` while they can't be had. */
export function createIssuerKeys(issuer: TrustedIssuer, options: IssuerKeysOptions): JWTVerifyGetKey {
  let failedAt = Number.NEGATIVE_INFINITY;

  async function fetchBounded(url: string, init: RequestInit): Promise<Response> {
    if (options.clock() - failedAt < options.failureCooldownMs) throw new KeysAway('failed a moment ago');
    try {
      const response = await fetch(url, init);
      if (response.status !== 200 || !response.body) throw new KeysAway(`it answers ${response.status}`);
      const body = await readBody(response.body as unknown as AsyncIterable<Buffer>, maxBytes);
      return new Response(new Uint8Array(body), { status: 200 });
    } catch (cause) {
      failedAt = options.clock();
      throw new KeysAway('the keys cannot be fetched', { cause });
    }
  }

  const keys = createRemoteJWKSet(new URL(issuer.jwksUrl), {
    timeoutDuration: options.timeoutMs,
    cooldownDuration: options.cooldownMs,
    cacheMaxAge: options.maxAgeMs,
    [customFetch]: fetchBounded,
  });
  return async (header, token) => {
    try {
      return await keys(header, token);
    } catch (cause) {
      const isAway =
        cause instanceof KeysAway ||
        cause instanceof errors.JWKSTimeout ||
        cause instanceof errors.JWKSInvalid;
      if (!isAway) throw cause;
      throw new TowlineError('unavailable', `the keys of ${issuer.issuer} cannot be fetched`, {
        hint: 'try again in a minute',
        cause,
      });
    }
  };
}
