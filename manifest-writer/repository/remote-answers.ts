import type { RunResult } from '../../runtime/run-process.ts';
import type { PushResult } from './manifest-repository.ts';

/**
 * The words with which servers say that the branch has moved: git itself, GitHub and GitLab differ.
 * Source: reference/gitops-engines.md §2 (Kargo's list) and git's send-pack and receive-pack.
 */
const lostRace =
  /stale info|fetch first|non-fast-forward|cannot lock ref|incorrect old value provided|failed to update ref|reference already exists/i;

const maxMessage = 600;

/**
 * Reads `git push --porcelain`. `undefined`: the remote gave no verdict on the ref, so it wasn't reached
 * or broke off, and nothing is known about what it did.
 */
export function readPushAnswer(
  exitCode: number | null,
  stdout: string,
  stderr: string,
): PushResult | undefined {
  const verdict = stdout.split('\n').find((line) => /^[ +*=!-]\t/.test(line));
  if (verdict === undefined) return undefined;
  if (!verdict.startsWith('!')) return exitCode === 0 ? { type: 'pushed' } : undefined;
  const summary = verdict.split('\t')[2] ?? '';
  if (lostRace.test(summary)) return { type: 'lost-race' };
  if (!/\[(remote )?rejected\]/.test(summary)) return undefined;
  return { type: 'refused', message: refusal(summary, stderr) };
}

function refusal(summary: string, stderr: string): string {
  const said = stderr
    .split(/[\r\n]+/)
    .filter((line) => line.startsWith('remote:'))
    .map((line) => line.slice('remote:'.length).trim())
    .filter((line) => line !== '' && !line.startsWith('error: hook declined'));
  const reason = /\(([^)]*)\)\s*$/.exec(summary)?.[1] ?? summary;
  const text = [...said, `(${reason})`].join(' ');
  return text.replace(/\p{Cc}/gu, ' ').slice(0, maxMessage);
}

const credentialRefusal =
  /Authentication failed|could not read (?:Username|Password)|The requested URL returned error: 40[13]|Permission denied \(|Host key verification failed/;

/** Whether git gave up because the remote does not accept who we are, or we do not accept who it is. */
export function isCredentialRefusal({ exitCode, stderr }: Pick<RunResult, 'exitCode' | 'stderr'>): boolean {
  return exitCode !== 0 && credentialRefusal.test(stderr);
}

/** Whether our own disk is full; what the remote says of its own stands behind `remote:`. */
export function isNoRoom({ stderr, endedBy }: Pick<RunResult, 'stderr' | 'endedBy'>): boolean {
  const ours = stderr.split(/[\r\n]+/).filter((line) => !line.startsWith('remote:'));
  if (endedBy === 'SIGXFSZ') return true;
  return ours.some((line) => /No space left on device|Disk quota exceeded|File too large/i.test(line));
}
