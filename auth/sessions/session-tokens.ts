import { randomUUID } from 'node:crypto';
import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { KeyRing } from '../keys/key-ring.ts';
import type { RevocationList } from './revocation-list.ts';

const algorithm = 'ES256';
const type = 'towline-session+jwt';
/** A session of ours is under 500 bytes. */
const maxLength = 2_048;

/** Nothing else may stand in the header: no `jku`, `jwk`, `x5u` or `crit` ever reaches the verifier. */
const Header = z.strictObject({
  alg: z.literal(algorithm),
  typ: z.literal(type),
  kid: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});

const Claims = z.object({
  sub: z.string().min(1),
  jti: z.string().min(1),
  /** One audience as a plain text: a list is another issuer's way to write it. */
  aud: z.string(),
  exp: z.int(),
});

export interface Session {
  ownerId: string;
  jti: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

export interface SessionTokens {
  issue(ownerId: string): Promise<{ token: string; session: Session }>;
  /** `undefined` for whatever isn't a valid session of this installation, now. */
  verify(token: string): Promise<Session | undefined>;
  revoke(session: Session): void;
}

export interface SessionOptions {
  keys: KeyRing;
  revocations: RevocationList;
  issuer: string;
  audience: string;
  ttlMs: number;
  clock: () => number;
}

/** Sessions as signed tokens: stateless to check, except for the few that were revoked. */
export function createSessionTokens(options: SessionOptions): SessionTokens {
  const { keys, revocations, issuer, audience, clock } = options;
  const ttlSeconds = Math.floor(options.ttlMs / 1000);

  async function verified(token: string): Promise<Session | undefined> {
    const header = Header.safeParse(decodeProtectedHeader(token));
    const key = header.success ? await keys.find(header.data.kid) : undefined;
    if (!key) return undefined;
    const { payload } = await jwtVerify(token, key.publicKey, {
      algorithms: [algorithm],
      typ: type,
      issuer,
      audience,
      requiredClaims: ['sub', 'jti', 'aud', 'exp', 'iat'],
      // Also refuses an `iat` in the future.
      maxTokenAge: ttlSeconds,
      currentDate: new Date(clock()),
    });
    const claims = Claims.parse(payload);
    if (revocations.isRevoked(claims.jti)) return undefined;
    return { ownerId: claims.sub, jti: claims.jti, expiresAt: claims.exp * 1000 };
  }

  return {
    async issue(ownerId) {
      const key = await keys.current();
      const issuedAt = Math.floor(clock() / 1000);
      const session = { ownerId, jti: randomUUID(), expiresAt: (issuedAt + ttlSeconds) * 1000 };
      const token = await new SignJWT()
        .setProtectedHeader({ alg: algorithm, typ: type, kid: key.kid })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(ownerId)
        .setJti(session.jti)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + ttlSeconds)
        .sign(key.privateKey);
      return { token, session };
    },
    async verify(token) {
      if (token.length > maxLength || !isCanonicalJwt(token)) return undefined;
      try {
        return await verified(token);
      } catch (error) {
        if (isRefusal(error)) return undefined;
        throw error;
      }
    },
    revoke(session) {
      revocations.revoke(session.jti, session.expiresAt, clock());
    },
  };
}

/** Three parts of base64url, each written the one way there is: no padding, no stray bits. */
export function isCanonicalJwt(token: string): boolean {
  const parts = token.split('.');
  return (
    parts.length === 3 &&
    parts.every((part) => part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part)
  );
}

/** `decodeProtectedHeader` throws a TypeError for what isn't a token at all. */
function isRefusal(error: unknown): boolean {
  return error instanceof errors.JOSEError || error instanceof z.ZodError || error instanceof TypeError;
}
