import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { TowlineError } from '../../core/errors.ts';
import type { Logger } from '../logger.ts';

/** What the platform's programs know each other by. */
export interface ServiceTokens {
  /** The one that is sent. */
  own(): string;
  /** Whether a token is one of them and good for the call, as `build-service/pending`. In constant time. */
  accepts(token: string, call: string): boolean;
}

interface Entry {
  token: string;
  hash: Buffer;
  /** Contracts and calls that it is good for; empty: all. */
  scopes: string[];
}

const line = /^([\x21-\x7e]{32,512})((?:[ \t]+[a-z-]+(?:\/[A-Za-z]+)?)*)$/;
const minRereadMs = 2_000;

/**
 * One token a line, at least 32 characters; behind it, if it is not good for everything, the calls that it is good for
 * (`build-service/pending`, or all of `auth`). The first is sent, any is accepted: a new one is added below, moved to the
 * top once every program knows it, and the old one is then dropped.
 */
export function parseServiceTokens(content: string): ServiceTokens {
  const lines = content.split(/\r?\n/).map((each) => each.trim());
  const entries = lines.filter((each) => each !== '' && !each.startsWith('#')).map(entryOf);
  const [first] = entries;
  if (!first) throw new TowlineError('config_invalid', 'the file of service tokens holds none');
  return {
    own: () => first.token,
    accepts(token, call) {
      const given = hashOf(token);
      let accepted = false;
      // All of them are compared, so that the time tells nothing of which one was nearly right.
      for (const { hash, scopes } of entries) {
        if (timingSafeEqual(hash, given) && isGoodFor(scopes, call)) accepted = true;
      }
      return accepted;
    },
  };
}

/** Read again when the file changes, as a mounted secret does; a file that makes no sense keeps what was known. */
export function openServiceTokens(path: string, logger: Logger): ServiceTokens {
  let version = '';
  let tokens = read();
  let readAt = Date.now();

  function read(): ServiceTokens {
    const { mtimeMs, ino, size } = statSync(path);
    const parsed = parseServiceTokens(readFileSync(path, 'utf8'));
    version = `${mtimeMs} ${ino} ${size}`;
    return parsed;
  }

  function hasChanged(): boolean {
    const { mtimeMs, ino, size } = statSync(path);
    return version !== `${mtimeMs} ${ino} ${size}`;
  }

  function current(): ServiceTokens {
    if (Date.now() - readAt < minRereadMs) return tokens;
    readAt = Date.now();
    try {
      if (hasChanged()) tokens = read();
    } catch (err) {
      logger.error({ err, path }, 'the service tokens cannot be read again: those from before stay');
    }
    return tokens;
  }

  return {
    own: () => current().own(),
    accepts: (token, call) => current().accepts(token, call),
  };
}

function entryOf(content: string, index: number): Entry {
  const [, token, scopes = ''] = line.exec(content) ?? [];
  if (token === undefined) {
    throw new TowlineError('config_invalid', `line ${index + 1} of the service tokens is none`, {
      hint: 'each line is 32 to 512 printable characters; names of calls may follow',
    });
  }
  return { token, hash: hashOf(token), scopes: scopes.split(/[ \t]+/).filter(Boolean) };
}

function isGoodFor(scopes: readonly string[], call: string): boolean {
  const contract = call.split('/', 1)[0];
  return scopes.length === 0 || scopes.includes(call) || scopes.includes(contract ?? '');
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
