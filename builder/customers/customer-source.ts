import { open } from 'node:fs/promises';
import { TowlineError } from '../../core/errors.ts';
import { readBody } from '../../runtime/http-service.ts';

const maxBytes = 4_000_000;

/** Reads the list from a file's path, or from an https URL (http only to this machine). */
export function customerSource(place: string): (signal: AbortSignal) => Promise<string> {
  return /^https?:\/\//i.test(place) ? (signal) => readUrl(place, signal) : () => readWholeFile(place);
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
