import { open } from 'node:fs/promises';
import { TowlineError } from '../../core/errors.ts';
import { readBody } from '../../runtime/http-service.ts';

const maxBytes = 4_000_000;

/**
 * Reads the list from a file's path, or from an https URL; http only from this machine, since whoever sits between could
 * write the list. Throws `config_invalid`.
 */
export function customerSource(place: string): (signal: AbortSignal) => Promise<string> {
  const url = URL.parse(place);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isHere(url))) {
    return (signal) => readUrl(place, signal);
  }
  if (/^[a-z][a-z+.-]*:\/\//i.test(place)) {
    throw new TowlineError('config_invalid', 'the list of customers is a file or an https URL');
  }
  return () => readWholeFile(place);
}

function isHere({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

async function readWholeFile(path: string): Promise<string> {
  await using file = await open(path, 'r');
  const chunks = file.createReadStream({ end: maxBytes }) as AsyncIterable<Buffer>;
  return decode(await readBody(chunks, maxBytes));
}

/** Redirects are not followed: the list comes from where the operator said. */
async function readUrl(url: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal, redirect: 'error', headers: { accept: 'text/plain' } });
  if (response.status !== 200 || !response.body) {
    await response.body?.cancel();
    throw new TowlineError(
      'remote_unavailable',
      `the list of customers was answered with ${response.status}`,
    );
  }
  const type = response.headers.get('content-type') ?? 'text/plain';
  if (!type.startsWith('text/plain') && !type.startsWith('application/octet-stream')) {
    await response.body.cancel();
    throw new TowlineError('remote_unavailable', 'the list of customers is not plain text');
  }
  const chunks = response.body as unknown as AsyncIterable<Buffer>;
  return decode(await readBody(chunks, maxBytes));
}

function decode(body: Buffer): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(body);
}
