import type { RunResult } from '../../runtime/run-process.ts';
import { maxRequestBytes, remoteName } from './clone-environment.ts';
import { createHttpExchange, type HttpAnswer } from './http-exchange.ts';
import { createSectionReader, flushPacket, packetLine } from './packet-lines.ts';
import type { RemoteAccess } from './remote-access.ts';
import { type PushAnswer, readHelperStatus } from './remote-answers.ts';
import { startSendPack } from './send-pack.ts';

export type HttpPushResult =
  | { type: 'answered'; answer: PushAnswer }
  /** Nothing was asked of the remote's branch: the push can be made in another way. */
  | { type: 'unsent' }
  /** It may have arrived. */
  | { type: 'broken'; how: RunResult };

/**
 * Pushes over HTTP with git's own send-pack behind a connection that stays open. `git push` does the same through three
 * more processes, a new connection and one more request.
 */
export interface HttpPusher extends Disposable {
  push(commit: string, expected: string): Promise<HttpPushResult>;
}

export interface HttpPusherOptions {
  remoteUrl: string;
  ref: string;
  env: Record<string, string>;
  access: RemoteAccess;
  signal: AbortSignal;
  /** Milliseconds for one push. */
  timeoutMs: number;
}

/** The remote's branch and what the server can do. */
interface Advertisement {
  head: string;
  capabilities: string;
}

const serverRemembersMs = 600_000;
const maxAdvertisementBytes = 16 * 1024 * 1024;
const maxAnswerBytes = 1024 * 1024;
const userAgent = 'git/2 (towline)';

/** `undefined`: not for this remote. */
export function createHttpPusher(options: HttpPusherOptions): HttpPusher | undefined {
  const { remoteUrl, ref, env, access, timeoutMs } = options;
  if (!/^https?:\/\//i.test(remoteUrl) || access.proxied) return undefined;
  const exchange = createHttpExchange(new URL(remoteUrl.replace(/\/$/, '')));
  let server: { capabilities: string | undefined; until: number } | undefined;

  async function ask(path: string, more: Parameters<typeof exchange.ask>[1]): Promise<HttpAnswer> {
    const call = async (rejected: boolean) => {
      const authorization = await access.authorization(rejected, more.signal);
      const headers = { ...more.headers, 'user-agent': userAgent };
      return await exchange.ask(path, {
        ...more,
        headers: authorization === undefined ? headers : { ...headers, authorization },
      });
    };
    const answer = await call(false);
    return answer.status === 401 && access.renewable ? await call(true) : answer;
  }

  /** `unfit`: the server answers, but not as is needed here. */
  async function advertisement(signal: AbortSignal): Promise<Advertisement | 'unfit' | undefined> {
    const path = '/info/refs?service=git-receive-pack';
    const { status, body } = await ask(path, { headers: {}, maxBytes: maxAdvertisementBytes, signal });
    return status === 200 ? readAdvertisement(body, ref) : undefined;
  }

  /** What the server can do is asked for now and then; where the branch is, the push itself finds out. */
  async function whatToExpect(
    expected: string,
    signal: AbortSignal,
  ): Promise<{ advertised: Advertisement; fresh: boolean } | undefined> {
    if (server && server.until > performance.now()) {
      const { capabilities } = server;
      return capabilities === undefined
        ? undefined
        : { advertised: { head: expected, capabilities }, fresh: false };
    }
    const advertised = await advertisement(signal).catch(() => undefined);
    signal.throwIfAborted();
    if (advertised === undefined) return undefined;
    const until = performance.now() + serverRemembersMs;
    server = { capabilities: advertised === 'unfit' ? undefined : advertised.capabilities, until };
    return advertised === 'unfit' ? undefined : { advertised, fresh: true };
  }

  async function attempt(commit: string, expected: string, signal: AbortSignal): Promise<HttpPushResult> {
    const known = await whatToExpect(expected, signal);
    if (!known) return { type: 'unsent' };
    const args = ['--stateless-rpc', '--helper-status', '--thin', `--remote=${remoteName}`];
    const what = [`--force-with-lease=${ref}:${expected}`, '--end-of-options', remoteUrl, `${commit}:${ref}`];
    await using sending = startSendPack([...args, ...what], env, signal);
    const { head, capabilities } = known.advertised;
    sending.write(`${packetLine(`${head} ${ref}\0${capabilities}\n`)}${flushPacket}`);
    const body = await sending.request(maxRequestBytes).catch(() => undefined);
    signal.throwIfAborted();
    if (body === undefined) return { type: 'unsent' };
    if (body !== 'none') {
      const posted = await post(body, signal);
      if (posted.type !== 'body') return posted;
      sending.write(posted.body);
    }
    const ended = await sending.end();
    const answer = readHelperStatus(ref, ended.stdout.toString('utf8'), ended.stderr);
    if (answer === undefined) return { type: 'broken', how: ended };
    const doubtful = answer.type === 'refused' && !known.fresh && (await hasMoved(expected, signal));
    return { type: 'answered', answer: doubtful ? { type: 'lost-race' } : answer };
  }

  async function post(
    body: Buffer,
    signal: AbortSignal,
  ): Promise<{ type: 'body'; body: Buffer } | Exclude<HttpPushResult, { answer: { type: 'pushed' } }>> {
    const headers = {
      'content-type': 'application/x-git-receive-pack-request',
      accept: 'application/x-git-receive-pack-result',
    };
    const answer = await ask('/git-receive-pack', { headers, body, maxBytes: maxAnswerBytes, signal });
    if (answer.status === 200) return { type: 'body', body: answer.body };
    server = undefined;
    if (answer.status === 413) {
      const message = 'the push is larger than its server takes (413)';
      return { type: 'answered', answer: { type: 'refused', message } };
    }
    if (answer.status >= 500) return { type: 'broken', how: failure(`HTTP ${answer.status}`, false) };
    return { type: 'unsent' };
  }

  /** Not every server has words for it that are known here. */
  async function hasMoved(expected: string, signal: AbortSignal): Promise<boolean> {
    const now = await advertisement(signal).catch(() => undefined);
    return now === undefined || now === 'unfit' || now.head !== expected;
  }

  return {
    async push(commit, expected) {
      const late = AbortSignal.timeout(timeoutMs);
      try {
        return await attempt(commit, expected, AbortSignal.any([options.signal, late]));
      } catch (error) {
        options.signal.throwIfAborted();
        server = undefined;
        return { type: 'broken', how: failure(error instanceof Error ? error.message : '', late.aborted) };
      }
    },
    [Symbol.dispose]() {
      exchange[Symbol.dispose]();
    },
  };
}

/** The branch must be there, and the server must say what it did. */
function readAdvertisement(body: Buffer, ref: string): Advertisement | 'unfit' {
  try {
    return advertised(body, ref);
  } catch {
    return 'unfit';
  }
}

function advertised(body: Buffer, ref: string): Advertisement | 'unfit' {
  const service = createSectionReader(maxAdvertisementBytes)(body);
  if (service?.lines[0]?.toString('latin1').trim() !== '# service=git-receive-pack') return 'unfit';
  const refs = createSectionReader(maxAdvertisementBytes)(service.rest);
  const [first = '', ...others] = (refs?.lines ?? []).map((line) => line.toString('utf8').replace(/\n$/, ''));
  const [firstRef = '', capabilities = ''] = first.split('\0');
  const line = [firstRef, ...others].find((one) => one.slice(41) === ref);
  const words = capabilities.split(' ');
  const isFit = words.includes('report-status') && !words.includes('object-format=sha256');
  return line !== undefined && isFit ? { head: line.slice(0, 40), capabilities } : 'unfit';
}

function failure(stderr: string, timedOut: boolean): RunResult {
  return { exitCode: null, endedBy: null, timedOut, stdout: Buffer.alloc(0), stderr };
}
