/** A forge's token issuer on loopback: real keys, real HTTP. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';

/** Claims, which may be wrong on purpose. */
export type Claims = Record<string, unknown>;

export interface IssuerFixture {
  issuer: string;
  /** How often the keys were asked for. */
  fetches: number;
  /** `false`: 503. */
  isUp: boolean;
  /** Signs with the newest key. */
  sign(claims: Claims, header?: Record<string, unknown>): Promise<string>;
  /** A new key; the old one is published no longer. */
  rotate(): Promise<void>;
  jwks(): { keys: Record<string, unknown>[] };
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startIssuer(alg: 'RS256' | 'ES256' = 'RS256'): Promise<IssuerFixture> {
  let number = 0;
  const newKey = async () => {
    number += 1;
    const pair = await generateKeyPair(alg);
    return { ...pair, jwk: { ...(await exportJWK(pair.publicKey)), kid: `key-${number}`, alg, use: 'sig' } };
  };
  let key = await newKey();
  const server = createServer((_req, res) => {
    fixture.fetches += 1;
    if (!fixture.isUp) return void res.writeHead(503).end();
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(fixture.jwks()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fixture: IssuerFixture = {
    issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fetches: 0,
    isUp: true,
    sign: (claims, header = {}) =>
      new SignJWT(claims as JWTPayload)
        .setProtectedHeader({ alg, kid: key.jwk.kid, typ: 'JWT', ...header })
        .sign(key.privateKey),
    async rotate() {
      key = await newKey();
    },
    jwks: () => ({ keys: [key.jwk] }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fixture;
}

/** The claims of a job of GitHub Actions. */
export function gitHubClaims(issuer: string, audience: string, more: Claims = {}): Claims {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: issuer,
    aud: audience,
    sub: 'repo:acme/shop:ref:refs/heads/main',
    iat: now,
    nbf: now - 5,
    exp: now + 300,
    jti: 'one',
    repository: 'acme/shop',
    repository_id: '74',
    repository_owner: 'acme',
    repository_owner_id: '65',
    repository_visibility: 'private',
    ref: 'refs/heads/main',
    sha: '1'.repeat(40),
    actor: 'ann',
    actor_id: '12',
    workflow_ref: 'acme/shop/.github/workflows/release.yml@refs/heads/main',
    run_number: '10',
    run_id: '100',
    event_name: 'push',
    ...more,
  };
}

/** The claims of a job of GitLab CI. */
export function gitLabClaims(issuer: string, audience: string, more: Claims = {}): Claims {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: issuer,
    aud: audience,
    sub: 'project_path:group/sub/shop:ref_type:branch:ref:main',
    iat: now,
    nbf: now - 5,
    exp: now + 3600,
    project_id: '28',
    project_path: 'group/sub/shop',
    namespace_id: '7',
    ref: 'main',
    ref_type: 'branch',
    ref_path: 'refs/heads/main',
    ref_protected: 'true',
    pipeline_source: 'push',
    sha: '2'.repeat(40),
    user_login: 'bea',
    user_email: 'bea@example.com',
    pipeline_id: '455',
    ci_config_ref_uri: `${new URL(issuer).host}/group/sub/shop//.gitlab-ci.yml@refs/heads/main`,
    ...more,
  };
}
