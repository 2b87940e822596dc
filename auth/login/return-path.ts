const maxLength = 2_000;
/** Printable ASCII without spaces and backslashes: all that a path of the dashboard needs, encoded. */
const plain = /^\/[\x21-\x5b\x5d-\x7e]*$/;
const base = 'http://towline.invalid';

/**
 * Where to go after a login: a path on this origin, or `/` for anything doubtful.
 * Encoded slashes and controls are judged decoded too, because something behind us may decode them.
 */
export function safeReturnPath(next: string | null | undefined): string {
  if (!next || next.length > maxLength || !isLocalPath(next)) return '/';
  const decoded = decodeOnce(next);
  if (decoded === undefined || !isLocalPath(decoded.replaceAll(' ', '+'), true)) return '/';
  return next;
}

function isLocalPath(path: string, decoded = false): boolean {
  const allowed = decoded ? /^\/[^\p{Cc}\\]*$/u : plain;
  if (!allowed.test(path) || path.startsWith('//')) return false;
  const url = URL.canParse(path, base) ? new URL(path, base) : undefined;
  // Dot segments are resolved by browsers: `/.//evil` must not become `//evil`.
  if (!url || url.origin !== base || url.pathname.startsWith('//')) return false;
  return !/^\/(?:login|logout)(?:\/|$)/.test(url.pathname);
}

function decodeOnce(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
