/** The request line's target, split but otherwise as it was sent. */
export interface RequestTarget {
  /** Begins with `/`. */
  path: string;
  /** With its `?`, or empty. */
  query: string;
}

const absoluteForm = /^(https?):\/\/([^/?#]*)(.*)$/i;

function withoutDefaultPort(scheme: string, authority: string): string {
  const port = scheme.toLowerCase() === 'https' ? ':443' : ':80';
  const lower = authority.toLowerCase();
  return lower.endsWith(port) ? lower.slice(0, -port.length) : lower;
}

/**
 * Splits origin-form and absolute-form targets; a string says why it is refused. An absolute-form target must
 * name the same authority as `Host`: two different answers to "which host?" are never both believed.
 */
export function splitTarget(target: string, host: string): RequestTarget | string {
  if (target.startsWith('/')) return splitOrigin(target);
  const match = absoluteForm.exec(target);
  if (!match) return 'the request target must begin with "/"';
  const [, scheme = '', authority = '', rest = ''] = match;
  if (withoutDefaultPort(scheme, authority) !== withoutDefaultPort(scheme, host)) {
    return 'the request target and the Host header name different hosts';
  }
  return splitOrigin(rest.startsWith('/') ? rest : `/${rest}`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const notPrintable = /[\u0000-\u0020\u007f-\uffff#]/;

function splitOrigin(target: string): RequestTarget | string {
  if (notPrintable.test(target)) {
    return 'the request target holds "#", a space, a control character or an unescaped byte above 127';
  }
  const question = target.indexOf('?');
  if (question < 0) return { path: target, query: '' };
  return { path: target.slice(0, question), query: target.slice(question) };
}

const badEscape = /%(?![0-9a-f]{2})/i;
const escapedControl = /%(?:[01][0-9a-f]|7f)/i;

/** Why a path cannot be decided on once and for all, or `undefined`. What passes is forwarded byte for byte. */
export function whyAmbiguous(path: string): string | undefined {
  if (path.includes('\\')) return 'the path holds a backslash';
  const escaped = path.includes('%');
  if (escaped && badEscape.test(path)) return 'the path holds a "%" that is not an escape';
  if (!escaped && !path.includes('/.')) return undefined;
  const plain = unescapeSeparators(path);
  if (escapedControl.test(plain)) return 'the path holds an escaped control character';
  return plain.split(/[/\\]/).some(isDotSegment) ? 'the path holds a "." or ".." segment' : undefined;
}

/** Dots, slashes and backslashes as any later reader could see them, escaped once or many times over. */
function unescapeSeparators(path: string): string {
  return path
    .replace(/%(?:25)+/g, '%')
    .replace(/%2e/gi, '.')
    .replace(/%2f/gi, '/')
    .replace(/%5c/gi, '\\')
    .replace(/%3b/gi, ';');
}

function isDotSegment(segment: string): boolean {
  const end = segment.indexOf(';');
  const name = end < 0 ? segment : segment.slice(0, end);
  return name === '.' || name === '..';
}
