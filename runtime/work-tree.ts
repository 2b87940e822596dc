import { type SimpleGit, simpleGit } from 'simple-git';

export interface WorkTreeOptions {
  dir: string;
  /** The whole environment, from `gitEnvironment`: nothing is inherited. */
  env: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Milliseconds without output, after which git is ended. Default: two minutes. */
  timeoutMs?: number | undefined;
}

/**
 * A work tree as a person has it: init, add, commit, push. For the platform's own hot paths, which work on bare
 * repositories, there is runtime/git.ts.
 */
export function openWorkTree(options: WorkTreeOptions): SimpleGit {
  return simpleGit({
    baseDir: options.dir,
    timeout: { block: options.timeoutMs ?? 120_000 },
    ...(options.signal ? { abort: options.signal } : {}),
    // These guard against text from outside in the environment; ours is made by gitEnvironment.
    allowEnvironment: Object.keys(options.env),
    unsafe: {
      allowUnsafeConfigPaths: true,
      allowUnsafeConfigEnvCount: true,
      allowUnsafeCredentialHelper: true,
    },
  }).env(options.env);
}
