import { sessionCookieName } from '../../core/session-cookie.ts';

/** Candidates of the same name that are looked at; a sibling host can plant some, a person cannot have many. */
const maxCandidates = 4;
const maxHeader = 16_384;

export interface SessionCookie {
  name: string;
  /** Every value under our name in a `Cookie` header, in the browser's order. */
  valuesIn(header: string | undefined): string[];
  set(value: string, maxAgeSeconds: number): string;
  clear(): string;
}

export function createSessionCookie(secure: boolean): SessionCookie {
  const name = sessionCookieName(secure);
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  return {
    name,
    valuesIn(header) {
      if (header === undefined || header.length > maxHeader) return [];
      return header
        .split(';')
        .map((pair) => pair.trim())
        .filter((pair) => pair.startsWith(`${name}=`))
        .map((pair) => pair.slice(name.length + 1))
        .slice(0, maxCandidates);
    },
    set: (value, maxAgeSeconds) => `${name}=${value}; Max-Age=${maxAgeSeconds}; ${attributes}`,
    clear: () => `${name}=; Max-Age=0; ${attributes}`,
  };
}
