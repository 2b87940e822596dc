import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { ForgeEvent } from '../../core/source-event.ts';
import { parsePayload } from './forge-values.ts';
import { type GiteaRules, translateGitea } from './gitea-events.ts';
import { type GitHubRules, translateGitHub } from './github-events.ts';
import { type GitLabRules, gitlabEventName, translateGitLab } from './gitlab-events.ts';
import type { GitOpsPush } from './gitops-repository.ts';
import {
  createHexSignatureCheck,
  createSignatureCheck,
  createStandardSignatureCheck,
  createTokenCheck,
  isSignature,
} from './signature.ts';
import { deliveryId, nothing, type Outcome } from './translation.ts';

/** One request as it came. */
export interface RawDelivery {
  body: Buffer;
  headers: IncomingHttpHeaders;
}

/** How the webhooks of one kind of forge are taken. */
export interface Hook {
  path: string;
  maxBytes: number;
  /** By the headers alone: of what can't be signed no byte is read. */
  maySign(headers: IncomingHttpHeaders): boolean;
  /** Of the raw bytes; nothing else of a request is looked at before. */
  isSigned(raw: RawDelivery): boolean | Promise<boolean>;
  /** Throws `bad_request`. */
  translate(raw: RawDelivery, payload: unknown): Outcome[];
  /**
   * Whether the forge takes hooks out of use that answered errors, as GitLab does with a hook that serves everybody: then
   * a signed event that cannot be read is passed over.
   */
  passesUnreadable: boolean;
  /** Whether the platform's own git host sent it: then its owner isn't looked for among the customers. */
  isOwn(raw: RawDelivery): boolean;
}

/** GitHub sends no more than this. */
const forgeMaxBytes = 25_000_000;
const ownMaxBytes = 1_000_000;

function header({ headers }: Pick<RawDelivery, 'headers'>, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const eventName = (raw: RawDelivery, name: string) =>
  /^[a-z0-9_]{1,60}$/.exec(header(raw, name) ?? '')?.[0] ?? '';

/** Any of the secrets signs, so that one can be changed without downtime. */
export function createGitHubHook(secrets: readonly string[], rules: GitHubRules): Hook {
  const check = createSignatureCheck(secrets);
  return {
    path: '/webhooks/github',
    maxBytes: forgeMaxBytes,
    maySign: (headers) => isSignature(header({ headers }, 'x-hub-signature-256')),
    isSigned: (raw) => check(raw.body, header(raw, 'x-hub-signature-256')),
    translate(raw, payload) {
      const id = deliveryId('github', header(raw, 'x-github-delivery'), raw.body);
      return translateGitHub({ id, event: eventName(raw, 'x-github-event'), payload }, rules);
    },
    passesUnreadable: false,
    isOwn: () => false,
  };
}

/**
 * For GitLab before 17.4, which names no delivery. Its UUID of an event is also that of all events that a webhook set off
 * in turn, and the content of a push is the same again when a branch is forced back and forth: the two together tell.
 */
function contentId(raw: RawDelivery): string {
  const uuid = header(raw, 'x-gitlab-event-uuid') ?? '';
  return createHash('sha256').update(`${uuid}\n`).update(raw.body).digest('hex');
}

/**
 * `secrets` are secret tokens, which GitLab sends as they are, or signing tokens, which it signs with; signatures are
 * looked at first, and a wrong one is not made good by a token.
 */
export function createGitLabHook(
  secrets: readonly string[],
  rules: GitLabRules,
  now: () => number = Date.now,
): Hook {
  const isToken = createTokenCheck(secrets.filter((secret) => !secret.startsWith('whsec_')));
  const isStandard = createStandardSignatureCheck(secrets, now);
  return {
    path: '/webhooks/gitlab',
    maxBytes: forgeMaxBytes,
    maySign(headers) {
      const signatures = header({ headers }, 'webhook-signature');
      return signatures === undefined
        ? isToken(header({ headers }, 'x-gitlab-token'))
        : signatures.startsWith('v1,');
    },
    isSigned(raw) {
      const signatures = header(raw, 'webhook-signature');
      if (signatures === undefined) return isToken(header(raw, 'x-gitlab-token'));
      const [id, timestamp] = [header(raw, 'webhook-id'), header(raw, 'webhook-timestamp')];
      return isStandard(raw.body, { id, timestamp, signatures });
    },
    translate(raw, payload) {
      const given = header(raw, 'webhook-id') ?? header(raw, 'idempotency-key') ?? contentId(raw);
      const id = deliveryId('gitlab', given, raw.body);
      return translateGitLab({ id, event: gitlabEventName(payload), payload }, rules);
    },
    passesUnreadable: true,
    isOwn: () => false,
  };
}

export interface GitHookOptions {
  /** Of the built-in git host, and of scripts. */
  secrets: readonly string[];
  gitea?: { secrets: readonly string[]; rules: GiteaRules } | undefined;
  gitOpsPush?: GitOpsPush | undefined;
}

const ownSignature = 'x-towline-signature-256';

function ownEvent(payload: unknown, gitOpsPush: GitOpsPush | undefined): Outcome[] {
  const event = parsePayload(ForgeEvent, payload);
  const { id, repository } = event;
  const pushed = event.type === 'push' ? gitOpsPush?.(id, repository.cloneUrl, event.after) : undefined;
  return pushed ?? [{ type: 'source', event }];
}

/** The built-in host's own events, and those of a Gitea or Forgejo. */
export function createGitHook({ secrets, gitea, gitOpsPush }: GitHookOptions): Hook {
  const isOwnSigned = createSignatureCheck(secrets);
  const isHexSigned = createHexSignatureCheck(gitea?.secrets ?? []);
  const isHubSigned = createSignatureCheck(gitea?.secrets ?? []);
  const isOwn = (raw: RawDelivery) => header(raw, ownSignature) !== undefined;
  return {
    path: '/webhooks/git',
    maxBytes: gitea ? forgeMaxBytes : ownMaxBytes,
    maySign(headers) {
      const given = [ownSignature, 'x-hub-signature-256'].map((name) => header({ headers }, name));
      const hex = ['x-forgejo-signature', 'x-gitea-signature'].map((name) => header({ headers }, name));
      return [...given, ...hex.map((each) => each && `sha256=${each}`)].some(isSignature);
    },
    isSigned(raw) {
      const own = header(raw, ownSignature);
      if (own !== undefined) return isOwnSigned(raw.body, own);
      const hex = header(raw, 'x-forgejo-signature') ?? header(raw, 'x-gitea-signature');
      if (hex !== undefined) return isHexSigned(raw.body, hex);
      return isHubSigned(raw.body, header(raw, 'x-hub-signature-256'));
    },
    translate(raw, payload) {
      if (isOwn(raw)) return ownEvent(payload, gitOpsPush);
      if (!gitea) return nothing('no such forge is set up');
      const kinds = ['x-forgejo', 'x-gitea', 'x-github'].map((prefix) => ({
        event: eventName(raw, `${prefix}-event`),
        given: header(raw, `${prefix}-delivery`),
      }));
      const { event, given } = kinds.find((kind) => kind.event !== '') ?? { event: '', given: undefined };
      return translateGitea({ id: deliveryId('git', given, raw.body), event, payload }, gitea.rules);
    },
    passesUnreadable: false,
    isOwn,
  };
}
