import { TowlineError } from '../core/errors.ts';
import { type RunOptions, type RunResult, runProcess } from './run-process.ts';

/**
 * The environment for every git that the platform runs: no user or system configuration, no prompts,
 * no hooks from the outside. `extra` adds per-call configuration, never on the command line.
 */
export function gitEnvironment(path: string, extra: Record<string, string> = {}): Record<string, string> {
  return {
    PATH: path,
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    ...extra,
  };
}

/** Configuration as `GIT_CONFIG_COUNT` variables: it reaches child gits too and stays out of argv. */
export function gitConfigEnvironment(settings: Record<string, string>): Record<string, string> {
  const entries = Object.entries(settings);
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(entries.length) };
  for (const [index, [key, value]] of entries.entries()) {
    env[`GIT_CONFIG_KEY_${index}`] = key;
    env[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return env;
}

export interface GitCall extends Partial<Omit<RunOptions, 'command' | 'args' | 'env'>> {
  args: readonly string[];
  env: Record<string, string>;
}

/** Runs git and gives its result, whatever the exit code. Default time limit: 30 s. */
export function git(call: GitCall): Promise<RunResult> {
  return runProcess({ timeoutMs: 30_000, ...call, command: 'git' });
}

/** Runs git and gives its standard output; any exit code but 0 is thrown as `internal` with git's own words as cause. */
export async function gitOutput(call: GitCall): Promise<string> {
  const result = await git(call);
  if (result.exitCode === 0) return result.stdout.toString('utf8');
  const cause = new Error(
    `git ${call.args.join(' ')}: ${result.timedOut ? 'timed out' : result.stderr.trim()}`,
  );
  throw new TowlineError('internal', `git ${call.args[0] ?? ''} failed`, { cause });
}
