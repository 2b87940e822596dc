import { git } from '../../runtime/git.ts';
import { createLogParser, streamedLogArguments } from './commit-log-stream.ts';
import { DamagedCopyError, type MainlineCommit } from './manifest-repository.ts';

export interface MainlineSource {
  env: Record<string, string>;
  signal: AbortSignal;
}

/** Milliseconds for reading a whole history. */
const timeoutMs = 3_600_000;

/** Visits the first-parent commits that `head` has and `since` has not, oldest first, until `visit` says `false`. */
export async function streamMainline(
  source: MainlineSource,
  head: string,
  since: string | null,
  visit: (commit: MainlineCommit) => boolean,
): Promise<void> {
  const range = since === null ? [head] : [`^${since}`, head];
  await streamLog(source, [...streamedLogArguments, '--end-of-options', ...range], visit);
}

/** Visits the commits that a merge brought in by its other parents, the merge itself too. */
export async function streamAside(
  source: MainlineSource,
  merge: string,
  visit: (commit: MainlineCommit) => void,
): Promise<void> {
  const args = streamedLogArguments.filter((one) => one !== '--first-parent');
  await streamLog(source, [...args, '--end-of-options', `^${merge}^1`, merge], (commit) => {
    visit(commit);
    return true;
  });
}

async function streamLog(
  source: MainlineSource,
  args: string[],
  visit: (commit: MainlineCommit) => boolean,
): Promise<void> {
  let parser: ReturnType<typeof createLogParser> | undefined;
  const finished = await streamed(source, args, (stop) => {
    let going = true;
    parser = createLogParser((commit) => {
      if (!going || visit(commit)) return;
      going = false;
      stop();
    });
    return (chunk) => parser?.push(chunk);
  });
  if (finished) parser?.end();
}

/** Visits the ids of the first-parent history, newest first, until `visit` says `false`. */
export async function streamMainlineIds(
  source: MainlineSource,
  head: string,
  visit: (commit: string) => boolean,
): Promise<void> {
  await streamed(source, ['rev-list', '--first-parent', '--end-of-options', head], (stop) => {
    let rest = '';
    let going = true;
    return (chunk) => {
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (!going) return;
        going = visit(line);
        if (!going) stop();
      }
    };
  });
}

/** Gives whether git came to its end. What the visitor throws ends git and is thrown here. */
async function streamed(
  { env, signal }: MainlineSource,
  args: string[],
  start: (stop: () => void) => (chunk: Buffer) => void,
): Promise<boolean> {
  const stopping = new AbortController();
  let failure: { error: unknown } | undefined;
  const accept = start(() => stopping.abort(new Error('enough was read')));
  try {
    const result = await git({
      args,
      env,
      timeoutMs,
      signal: AbortSignal.any([signal, stopping.signal]),
      onOutput(chunk, stream) {
        if (stream !== 'stdout' || failure) return;
        try {
          accept(chunk);
        } catch (error) {
          failure = { error };
          stopping.abort(new Error('the output cannot be used'));
        }
      },
    });
    if (failure) throw failure.error;
    if (result.exitCode !== 0)
      throw new DamagedCopyError(`git ${args[0]}: ${result.stderr.trim().slice(-500)}`);
    return true;
  } catch (error) {
    if (failure) throw failure.error;
    if (stopping.signal.aborted && !signal.aborted) return false;
    throw error;
  }
}
