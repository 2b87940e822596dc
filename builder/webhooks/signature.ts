import { Webhooks } from '@octokit/webhooks';

/** Whether the header is the HMAC-SHA256 of these bytes by one of the secrets; compared in constant time. */
export type SignatureCheck = (body: Buffer, header: string | undefined) => Promise<boolean>;

const shape = /^sha256=[0-9a-f]{64}$/;

export function createSignatureCheck(secrets: readonly string[]): SignatureCheck {
  const verifiers = secrets.map((secret) => new Webhooks({ secret }));
  // Bytes that are no UTF-8 would be replaced, and then others than those that were signed would be checked.
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  function decode(body: Buffer): string | undefined {
    try {
      return decoder.decode(body);
    } catch {
      return undefined;
    }
  }

  return async (body, header) => {
    const text = decode(body);
    if (!text || header === undefined || !shape.test(header)) return false;
    const results = await Promise.all(verifiers.map((webhooks) => webhooks.verify(text, header)));
    return results.includes(true);
  };
}
