/** A forge whose CI tokens count, once an owner has bound a repository of it. */
export interface TrustedIssuer {
  scm: 'github' | 'gitlab';
  /** Compared with `iss` character by character. */
  issuer: string;
  jwksUrl: string;
}

/** Where each forge publishes the keys of its CI tokens; what their discovery documents say too. */
const keysPath = { github: '/.well-known/jwks', gitlab: '/oauth/discovery/keys' } as const;

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** `github=https://token.actions.githubusercontent.com` or `gitlab=https://gitlab.example`; else `undefined`. */
export function parseTrustedIssuer(text: string): TrustedIssuer | undefined {
  const [, scm, issuer = ''] = /^(github|gitlab)=(\S+)$/.exec(text.trim()) ?? [];
  if ((scm !== 'github' && scm !== 'gitlab') || !URL.canParse(issuer)) return undefined;
  const { protocol, hostname, search, hash, username, password } = new URL(issuer);
  if (protocol !== 'https:' && !(protocol === 'http:' && isLoopback(hostname))) return undefined;
  if (search !== '' || hash !== '' || username !== '' || password !== '' || issuer.endsWith('/'))
    return undefined;
  return { scm, issuer, jwksUrl: `${issuer}${keysPath[scm]}` };
}
