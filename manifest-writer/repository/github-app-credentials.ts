import { createPrivateKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { request } from 'undici';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import type { CredentialsProvider, GitCredentials } from './remote-access.ts';

export interface GitHubAppConfig {
  appId: string;
  installationId: string;
  /** PEM, as GitHub gives it. */
  privateKey: string;
  /** `https://api.github.com`, or the API of a GitHub Enterprise server. */
  apiUrl?: string | undefined;
  /** Milliseconds for asking GitHub. */
  timeoutMs?: number | undefined;
  /** Milliseconds since the epoch. */
  clock?: (() => number) | undefined;
}

const Answer = z.object({ token: z.string().min(1).max(1000), expires_at: z.iso.datetime({ offset: true }) });
const maxAnswerBytes = 64 * 1024;
/** A push that starts with the token must be able to end with it. */
const spareMs = 5 * 60_000;

/** A GitHub App's installation token: made when it is needed, kept in memory until shortly before it expires. */
export function githubAppCredentials(config: GitHubAppConfig): CredentialsProvider {
  const { appId, installationId, apiUrl = 'https://api.github.com', timeoutMs = 10_000 } = config;
  const now = config.clock ?? Date.now;
  const key = readKey(config.privateKey);
  if (!/^[\w.-]+$/.test(appId) || !/^\d+$/.test(installationId)) {
    throw new TowlineError('config_invalid', 'the GitHub App needs its app id and its installation id');
  }
  let kept: { credentials: GitCredentials; until: number } | undefined;
  let asking: Promise<GitCredentials> | undefined;

  async function ask(signal: AbortSignal): Promise<GitCredentials> {
    const second = Math.floor(now() / 1000);
    // GitHub wants a start in the past, for clocks that differ, and no more than ten minutes.
    const jwt = await new SignJWT({ iss: appId, iat: second - 60, exp: second + 540 })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
      .sign(key);
    const { statusCode, body } = await request(
      `${apiUrl.replace(/\/$/, '')}/app/installations/${installationId}/access_tokens`,
      {
        method: 'POST',
        headers: {
          authorization: `Bearer ${jwt}`,
          accept: 'application/vnd.github+json',
          'user-agent': 'towline',
        },
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      },
    );
    const text = await readBounded(body);
    if (statusCode !== 201) throw unavailable(`answered ${statusCode}`);
    const { token, expires_at } = Answer.parse(JSON.parse(text));
    const credentials = { username: 'x-access-token', password: token };
    kept = { credentials, until: Date.parse(expires_at) - spareMs };
    return credentials;
  }

  return async ({ rejected, signal }) => {
    if (!rejected && kept && now() < kept.until) return kept.credentials;
    kept = undefined;
    asking ??= ask(signal)
      .catch((error: unknown) => {
        throw error instanceof TowlineError ? error : unavailable('cannot be asked', error);
      })
      .finally(() => {
        asking = undefined;
      });
    return await asking;
  };
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new TowlineError('config_invalid', 'the private key of the GitHub App cannot be read');
  }
}

async function readBounded(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw unavailable('answered too much');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function unavailable(what: string, cause?: unknown): TowlineError {
  return new TowlineError('remote_unavailable', `GitHub ${what} for the App's token`, { cause });
}
