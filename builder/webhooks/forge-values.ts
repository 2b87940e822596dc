import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { RepoName, whyNotOwner } from '../../core/names.ts';
import type { SourceEvent, SourceRepository } from '../../core/source-event.ts';

/** A forge's number for something, as the text that we know it by. */
export const ForgeId = z.number().int().positive().transform(String);

export const ShortText = z.string().max(1000);

const maxRef = 300;
// What git itself allows in a ref's name: see git-check-ref-format.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const notInRefs = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[./]$/;

/** A full ref, as git would accept it. */
export const Ref = z
  .string()
  .max(maxRef)
  .regex(/^refs\/[^/].*[^/]$/su)
  .refine((ref) => !notInRefs.test(ref) && ref.isWellFormed());

/** Letters that can't be seen, or that turn the writing's direction: what is shown would not be what is meant. */
const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]/u;
const allUnseen = new RegExp(unseen, 'gu');

export function hasUnseen(text: string): boolean {
  return unseen.test(text);
}

/** The name of a branch that is what it looks like. */
export const Branch = z
  .string()
  .max(250)
  .refine((name) => Ref.safeParse(`refs/heads/${name}`).success && !hasUnseen(name));

/** One line of at most `max` characters that shows what it is; `fallback` if nothing is left. */
export function shown(text: string | null | undefined, max: number, fallback: string): string {
  const line = (text ?? '').toWellFormed().replaceAll(allUnseen, ' ').replaceAll(/\s+/gu, ' ').trim();
  let cut = '';
  for (const letter of line.slice(0, max + 1)) {
    if (cut.length + letter.length > max) break;
    cut += letter;
  }
  return cut.toWellFormed() || fallback;
}

/** A login or the full path of a group, as one DNS label. Two can give the same one: the id is the identity. */
export function slugOf(path: string): string {
  return path
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
}

/** Why nothing of this repository can have a name here, or `undefined`. */
export function whyNotRepository(ownerPath: string, name: string): string | undefined {
  const notOwner = whyNotOwner(slugOf(ownerPath));
  if (notOwner !== undefined) return `its owner cannot be served: ${notOwner}`;
  const result = RepoName.safeParse(name);
  return result.success ? undefined : 'its name cannot be served';
}

/** What an owner is recorded under that can have no name here; two hyphens, so that no login or path gives the same. */
export function standInOwner(scm: SourceEvent['scm'], ownerId: string): string {
  return `unserved--${scm}-${ownerId}`;
}

/** The repository with names to record it under where its own cannot be used; its path says what they are. */
export function recordable(scm: SourceEvent['scm'], repository: SourceRepository): SourceRepository {
  const { id, ownerId, owner, name } = repository;
  return {
    ...repository,
    owner: whyNotOwner(owner) === undefined ? owner : standInOwner(scm, ownerId),
    name: RepoName.safeParse(name).success ? name : `unserved--${id}`,
  };
}

/** A signed payload whose parts contradict each other, or what the installation is set up for. */
export function contradiction(place: string): TowlineError {
  return new TowlineError('bad_request', `the event does not fit together at "${place}"`);
}

/** Whether a URL that a payload names is on the configured forge; nothing is ever taken from it. */
export function isOnForge(url: string, baseUrl: string): boolean {
  const [one, other] = [URL.parse(url), URL.parse(baseUrl)];
  return one !== null && other !== null && one.host === other.host;
}

/** `undefined` becomes a refusal that tells the place, and nothing of what stood there. */
export function parsePayload<T extends z.ZodType>(schema: T, payload: unknown): z.output<T> {
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const at = issue?.path.map(String).join('.') ?? '';
  throw new TowlineError('bad_request', `the event is not valid at "${at.slice(0, 100)}"`);
}

/** Whose pushes deploy nothing. */
export interface IgnoredPushers {
  isPusher(login: string): boolean;
  /** Only who is listed by name: a person who merges what a bot wrote means it. */
  isAuthor(login: string): boolean;
}

/** It pushes what people put into it, so only its name, listed, means it. */
const mergeQueue = 'github-merge-queue[bot]';

/** From a list of logins; an entry `*[bot]` means every bot but GitHub's merge queue. */
export function createIgnoredPushers(entries: readonly string[]): IgnoredPushers {
  const known = new Set(entries.map((entry) => entry.toLowerCase()));
  const isAuthor = (login: string) => known.has(login.toLowerCase());
  const isAnyBot = known.has('*[bot]');
  const isBot = (login: string) => login.endsWith('[bot]') && login !== mergeQueue;
  return {
    isAuthor,
    isPusher: (login) => isAuthor(login) || (isAnyBot && isBot(login.toLowerCase())),
  };
}

/** For lists of repositories that come longer than one event holds. */
export function inChunks<T>(list: readonly T[], size: number): T[][] {
  const count = Math.ceil(list.length / size);
  return Array.from({ length: count }, (_, index) => list.slice(index * size, (index + 1) * size));
}
