/** Keeps the platform's cookies between the browser and the platform. */
export interface CookieGuard {
  /** The `Cookie` value without the platform's cookies; `undefined` if nothing is left. */
  withoutPlatform(cookie: string): string | undefined;
  /** Whether a function on `host` may set this cookie: not the platform's, not beyond its own host. */
  maySet(setCookie: string, host: string): boolean;
}

export function createCookieGuard(platformCookies: readonly string[]): CookieGuard {
  const names = platformCookies.map((name) => name.toLowerCase());

  // Large session cookies are split as `name.0`, `name_1`: parts count as the cookie.
  function isPlatform(name: string): boolean {
    const lower = name.toLowerCase();
    return names.some(
      (own) => lower === own || (lower.startsWith(own) && /^[._-]?\d+$/.test(lower.slice(own.length))),
    );
  }

  return {
    withoutPlatform(cookie) {
      const lower = cookie.toLowerCase();
      if (!names.some((name) => lower.includes(name))) return cookie;
      const kept = cookie
        .split(';')
        .map((pair) => pair.trim())
        .filter((pair) => pair !== '' && !isPlatform(nameOf(pair)));
      return kept.length === 0 ? undefined : kept.join('; ');
    },
    maySet(setCookie, host) {
      const [pair = '', ...attributes] = setCookie.split(';');
      return !isPlatform(nameOf(pair)) && attributes.every((attribute) => staysOn(attribute, host));
    },
  };
}

/** A cookie without a name (`=a=b`) is sent back as `a=b`: leading `=` don't count. */
function nameOf(pair: string): string {
  const text = pair.replace(/^[\s=]+/, '');
  const equals = text.indexOf('=');
  return (equals < 0 ? text : text.slice(0, equals)).trim();
}

function staysOn(attribute: string, host: string): boolean {
  const equals = attribute.indexOf('=');
  if (equals < 0 || attribute.slice(0, equals).trim().toLowerCase() !== 'domain') return true;
  const domain = attribute
    .slice(equals + 1)
    .trim()
    .toLowerCase()
    .replace(/^\./, '');
  return domain === '' || domain === host;
}
