/** Fields of one hop (RFC 9110 §7.6.1, and what clients send in their place): never passed on, either way. */
export const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Fields that `Connection` must not be able to take away: they decide what the request is and who sends it. */
const irremovable: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'set-cookie',
]);

const nothing: ReadonlySet<string> = new Set();
const usual = new Set(['keep-alive', 'close', 'upgrade', 'te']);

/** The fields that a `Connection` value declares as its hop's own. */
export function connectionNamed(value: string | undefined): ReadonlySet<string> {
  if (value === undefined || usual.has(value.toLowerCase())) return nothing;
  const names = new Set<string>();
  for (const part of value.toLowerCase().split(',')) {
    const name = part.trim();
    if (name !== '' && !irremovable.has(name)) names.add(name);
  }
  return names;
}
