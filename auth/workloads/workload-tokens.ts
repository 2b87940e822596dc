import { decodeJwt, decodeProtectedHeader, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { isCanonicalJwt } from '../sessions/session-tokens.ts';
import { createIssuerKeys, type IssuerKeysOptions } from './issuer-keys.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';
import { type WorkloadFacts, workloadOf } from './workload-claims.ts';

export interface WorkloadTokensOptions {
  issuers: readonly TrustedIssuer[];
  /** What a token has to be made for. */
  audience: string;
  keys?: Partial<Omit<IssuerKeysOptions, 'clock'>> | undefined;
  clock: () => number;
}

export interface WorkloadTokens {
  /** `undefined` for whatever isn't a valid token of a trusted issuer, now. Throws `unavailable`. */
  verify(token: string): Promise<WorkloadFacts | undefined>;
}

/** Tokens of the forges have some 2 kB. */
const maxLength = 8192;
const algorithms = ['RS256', 'ES256'];
const toleranceSeconds = 30;
/** Jobs may run long, but no token is good for ever. */
const maxAgeSeconds = 24 * 60 * 60;
const keyDefaults = { timeoutMs: 5000, cooldownMs: 30_000, maxAgeMs: 600_000, failureCooldownMs: 5000 };

/** Nothing that names another key: no `jku`, `jwk`, `x5u` or `x5c` reaches the verifier. */
const Header = z.strictObject({
  alg: z.enum(['RS256', 'ES256']),
  kid: z.string().min(1).max(200),
  typ: z.string().max(20).optional(),
  x5t: z.string().max(200).optional(),
});

export function createWorkloadTokens(options: WorkloadTokensOptions): WorkloadTokens {
  const { issuers, audience, clock } = options;
  const keyOptions = { ...keyDefaults, ...options.keys, clock };
  const keysOf = new Map<string, { issuer: TrustedIssuer; keys: JWTVerifyGetKey }>(
    issuers.map((issuer) => [issuer.issuer, { issuer, keys: createIssuerKeys(issuer, keyOptions) }]),
  );

  async function verified(token: string): Promise<WorkloadFacts | undefined> {
    if (!Header.safeParse(decodeProtectedHeader(token)).success) return undefined;
    const { iss } = decodeJwt(token);
    // Whoever the token claims to be from, only those that the installation names are asked for keys.
    const found = typeof iss === 'string' ? keysOf.get(iss) : undefined;
    if (!found) return undefined;
    const { payload } = await jwtVerify(token, found.keys, {
      algorithms,
      issuer: found.issuer.issuer,
      audience,
      requiredClaims: ['sub', 'exp', 'iat'],
      clockTolerance: toleranceSeconds,
      maxTokenAge: maxAgeSeconds,
      currentDate: new Date(clock()),
    });
    return workloadOf(payload, found.issuer);
  }

  return {
    async verify(token) {
      if (token.length > maxLength || !isCanonicalJwt(token)) return undefined;
      try {
        return await verified(token);
      } catch (error) {
        const isRefusal =
          error instanceof errors.JOSEError || error instanceof z.ZodError || error instanceof TypeError;
        if (isRefusal) return undefined;
        throw error;
      }
    },
  };
}
