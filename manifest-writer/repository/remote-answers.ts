import type { RunResult } from '../../runtime/run-process.ts';
import type { PushResult } from './manifest-repository.ts';

/** What a remote says to a push. `fault`: it is in trouble itself and took nothing; later it may take the same push. */
export type PushAnswer = PushResult | { type: 'fault'; message: string };

/**
 * The words with which servers say that the branch has moved: git itself, GitHub and GitLab differ.
 * Source: reference/gitops-engines.md §2 (Kargo's list) and git's send-pack and receive-pack.
 */
const lostRace =
  /stale info|fetch first|non-fast[- ]forward|cannot lock ref|incorrect old value provided|failed to update ref|reference already exists/i;

/** A verdict that comes from the server's own work, not from a rule: nothing that a user wrote stands behind it. */
const ownWork =
  /unpacker error|failed to update ref|cannot lock ref|unable to migrate objects|failed to write/i;
/** A quota is not among them: whoever set it must say that it is used up. */
const passingTrouble =
  /No space left on device|Read-only file system|Input\/output error|Cannot allocate memory|Out of memory|Too many open files|Resource temporarily unavailable|died of signal/i;
/** What GitHub answers when its own storage fails. */
const forgeTrouble = /^(?:Internal Server Error|fatal error in commit_refs)$/i;

const maxMessage = 600;

/**
 * Reads `git push --porcelain`. `undefined`: the remote gave no verdict on the ref, so it wasn't reached
 * or broke off, and nothing is known about what it did.
 */
export function readPushAnswer(
  exitCode: number | null,
  stdout: string,
  stderr: string,
): PushAnswer | undefined {
  const verdict = stdout.split('\n').find((line) => /^[ +*=!-]\t/.test(line));
  if (verdict === undefined) return undefined;
  if (!verdict.startsWith('!')) return exitCode === 0 ? { type: 'pushed' } : undefined;
  const summary = verdict.split('\t')[2] ?? '';
  const reason = /\((.*)\)\s*$/.exec(summary)?.[1] ?? summary;
  return /\[(remote )?rejected\]/.test(summary) || lostRace.test(summary)
    ? rejection(reason, stderr)
    : undefined;
}

/** Reads what `git send-pack --helper-status` says of a branch. `undefined` as above. */
export function readHelperStatus(ref: string, stdout: string, stderr: string): PushAnswer | undefined {
  const line = stdout.split('\n').find((one) => one.split(' ')[1] === ref);
  if (line === undefined) return undefined;
  if (line.startsWith('ok ')) return { type: 'pushed' };
  const reason = line.slice(`error ${ref} `.length).replace(/^"(.*)"$/, '$1');
  if (reason === '' || reason === 'no match' || reason === 'expecting report') return undefined;
  return rejection(reason, stderr);
}

function rejection(reason: string, stderr: string): PushAnswer {
  const said = remoteLines(stderr);
  const troubled = said.some((line) => passingTrouble.test(line)) || wasEnded(said, stderr);
  if ((ownWork.test(reason) && troubled) || forgeTrouble.test(reason))
    return { type: 'fault', message: inWords(said, reason) };
  if (lostRace.test(reason)) return { type: 'lost-race' };
  return { type: 'refused', message: inWords(said, reason) };
}

/** A process of the server that says why it gives up does so by itself; one that says nothing was ended. */
function wasEnded(said: readonly string[], stderr: string): boolean {
  return (
    /^error: remote unpack failed: .*abnormal exit/m.test(stderr) &&
    !said.some((line) => /^(?:fatal|error):/.test(line))
  );
}

function remoteLines(stderr: string): string[] {
  return stderr
    .split(/[\r\n]+/)
    .filter((line) => line.startsWith('remote:'))
    .map((line) => line.slice('remote:'.length).trim())
    .filter((line) => line !== '' && !line.startsWith('error: hook declined'));
}

function inWords(said: readonly string[], reason: string): string {
  const text = [...said, `(${reason})`].join(' ');
  return text.replace(/\p{Cc}/gu, ' ').slice(0, maxMessage);
}

const credentialRefusal =
  /Authentication failed|could not read (?:Username|Password)|The requested URL returned error: 40[13]|Permission denied \(/;

/** Whether git gave up because the remote does not accept who we are. */
export function isCredentialRefusal({ exitCode, stderr }: Pick<RunResult, 'exitCode' | 'stderr'>): boolean {
  return exitCode !== 0 && credentialRefusal.test(stderr);
}

/** Whether ssh gave up because the host is not one of the known ones. */
export function isUnknownHost({ exitCode, stderr }: Pick<RunResult, 'exitCode' | 'stderr'>): boolean {
  return exitCode !== 0 && /Host key verification failed/.test(stderr);
}

/** Whether our own disk is full; what the remote says of its own stands behind `remote:`. */
export function isNoRoom({ stderr, endedBy }: Pick<RunResult, 'stderr' | 'endedBy'>): boolean {
  const ours = stderr.split(/[\r\n]+/).filter((line) => !line.startsWith('remote:'));
  if (endedBy === 'SIGXFSZ') return true;
  return ours.some((line) => /No space left on device|Disk quota exceeded|File too large/i.test(line));
}
