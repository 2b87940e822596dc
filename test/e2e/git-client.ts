import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gitConfigEnvironment, gitEnvironment } from '../../runtime/git.ts';
import type { Product } from './product.ts';

export interface GitResult {
  exitCode: number | null;
  stdout: string;
  /** What a person sees: progress, `remote:` lines, errors. */
  stderr: string;
}

export type Files = Record<string, string | { link: string } | { text: string; mode: number } | null>;

/** A person's clone and the real git client. */
export class Clone implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'towline-clone-'));
  readonly #env: Record<string, string>;
  readonly person: { name: string; email: string };

  constructor(token: string, person = { name: 'Ada Lovelace', email: 'ada@example.org' }) {
    this.person = person;
    const basic = Buffer.from(`git:${token}`).toString('base64');
    this.#env = {
      ...gitEnvironment(process.env['PATH'] ?? ''),
      ...gitConfigEnvironment({
        'http.extraHeader': `Authorization: Basic ${basic}`,
        'init.defaultBranch': 'main',
      }),
      GIT_AUTHOR_NAME: person.name,
      GIT_AUTHOR_EMAIL: person.email,
      GIT_COMMITTER_NAME: person.name,
      GIT_COMMITTER_EMAIL: person.email,
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Runs git to its end; `onStderr` sees the terminal's text as it comes. */
  async try(
    args: string[],
    options: { onStderr?: (text: string) => void; signal?: AbortSignal } = {},
  ): Promise<GitResult> {
    const child = spawn('git', args, {
      cwd: this.dir,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.signal ? { signal: options.signal, killSignal: 'SIGINT' as const } : {}),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      options.onStderr?.(stderr);
    });
    return new Promise((resolve, reject) => {
      child.on('error', (error) => (error.name === 'AbortError' ? undefined : reject(error)));
      child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
    });
  }

  async git(...args: string[]): Promise<string> {
    const result = await this.try(args);
    assert.equal(result.exitCode, 0, `git ${args.join(' ')}\n${result.stderr}`);
    return result.stdout.trim();
  }

  write(files: Files): void {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.dir, name);
      mkdirSync(dirname(path), { recursive: true });
      if (content === null) rmSync(path, { recursive: true, force: true });
      else if (typeof content === 'string') writeFileSync(path, content);
      else if ('link' in content) {
        rmSync(path, { force: true });
        symlinkSync(content.link, path);
      } else {
        writeFileSync(path, content.text);
        chmodSync(path, content.mode);
      }
    }
  }

  async commit(message: string, files: Files = {}): Promise<string> {
    this.write(files);
    await this.git('add', '-A');
    await this.git('commit', '-q', '--allow-empty', '-m', message);
    return this.git('rev-parse', 'HEAD');
  }
}

/** A new source repository of `owner`, not yet pushed. */
export async function sourceRepository(
  product: Product,
  owner: string,
  name: string,
  token = product.token,
): Promise<Clone> {
  const clone = new Clone(token);
  await clone.git('init', '-q', '-b', 'main');
  await clone.git('remote', 'add', 'origin', `${product.ready.origin}/git/${owner}/${name}.git`);
  return clone;
}

export async function cloneGitOps(
  product: Product,
  person?: { name: string; email: string },
): Promise<Clone> {
  const clone = new Clone(product.token, person);
  await clone.git('clone', '-q', `${product.ready.origin}/git/gitops.git`, '.');
  return clone;
}

/** Commits and pushes `main`; gives what the pusher's terminal showed. */
export async function push(
  clone: Clone,
  message: string,
  files: Files = {},
  refspec = 'HEAD:main',
): Promise<{ commit: string; terminal: string }> {
  const commit = await clone.commit(message, files);
  const result = await clone.try(['push', 'origin', refspec]);
  assert.equal(result.exitCode, 0, result.stderr);
  return { commit, terminal: result.stderr };
}

export function nodeStack(...names: string[]): string {
  const functions = names.map((name) => `  ${name}:\n    lang: node\n    handler: ./${name}\n`).join('');
  return `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n${functions}`;
}

/** A node function that answers with `text`. */
export function nodeHandler(text: string): string {
  return `module.exports = async (event, context) => context.status(200).succeed(${JSON.stringify(text)});\n`;
}
