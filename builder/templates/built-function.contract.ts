import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ArtifactDescriptor } from '../../core/artifact.ts';
import { freePort } from '../../test/containers/program.ts';
import { assembleContext } from '../context/assemble-context.ts';
import type { BuildEngine, BuildRequest } from '../engines/build-engine.ts';
import { createProcessEngine } from '../engines/build-engine-process.ts';
import { readStack } from '../stack/read-stack.ts';
import { loadTemplates } from './load-templates.ts';

/** The bundled templates, as the product ships them. */
export const bundledTemplates = join(import.meta.dirname, '../../templates');

export type Files = Record<string, string>;

export async function writeFiles(dir: string, files: Files): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
}

/** What builds functions, and starts what was built. */
export interface BenchRuntime extends AsyncDisposable {
  engine: BuildEngine;
  /** Build arguments of every build. */
  buildArgs: Record<string, string>;
  /** Where the function lies, as `spawn` takes it: a folder, or an image. */
  place(image: string, digest: string): string;
  /** A process that ends when the function does, gives its output, and hands signals on to it. */
  spawn(place: string, environment: Record<string, string>, port: number): Promise<ChildProcess>;
}

/** Builds and runs by plain processes. */
export async function createProcessRuntime(dir: string, path: string): Promise<BenchRuntime> {
  const engine = await createProcessEngine({
    artifactsDir: join(dir, 'artifacts'),
    workDir: join(dir, 'work'),
    homeDir: join(dir, 'homes'),
    path,
  });
  return {
    engine,
    buildArgs: {},
    place: (_, digest) => join(dir, 'artifacts', digest.slice(7)),
    async spawn(place, environment, port) {
      const descriptor = ArtifactDescriptor.parse(
        JSON.parse(await readFile(join(place, 'artifact.json'), 'utf8')),
      );
      return spawn(descriptor.command[0]!, descriptor.command.slice(1), {
        cwd: join(place, 'root'),
        env: { PATH: path, ...descriptor.environment, ...environment, PORT: String(port) },
      });
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

/** A folder of its own for each test, with the whole way from a repository to a running function. */
export async function createBench(path: string, makeRuntime = createProcessRuntime) {
  const dir = await mkdtemp(join(tmpdir(), 'towline-build-'));
  const runtime = await makeRuntime(dir, path);
  const { engine } = runtime;
  const catalog = await loadTemplates(bundledTemplates);
  const children: ChildProcess[] = [];
  let contexts = 0;

  async function build(sourceDir: string, options: Partial<BuildRequest> = {}) {
    const stack = await readStack(sourceDir, { owner: 'demo', languages: catalog.languages() });
    const fn = stack.functions[0]!;
    const template = catalog.find(fn.lang)!;
    contexts += 1;
    const contextDir = join(dir, `context-${contexts}`);
    await assembleContext({
      sourceDir,
      targetDir: contextDir,
      fn,
      template,
      copy: stack.copy,
      maxBytes: 10_000_000,
    });
    const lines: string[] = [];
    const image = `${engine.registry}/demo/repo-fn:latest-main-1234567`;
    const result = await engine
      .build({
        buildId: 'b1',
        owner: 'demo',
        repo: 'repo',
        functionName: fn.name,
        contextDir,
        template,
        buildArgs: { ...runtime.buildArgs, ...fn.buildArgs },
        secrets: {},
        platforms: [],
        image,
        labels: {},
        timeoutMs: 60_000,
        onLine: (line) => lines.push(line),
        signal: new AbortController().signal,
        ...options,
      })
      .catch((error: Error) => {
        throw Object.assign(error, { lines });
      });
    return { ...result, lines, fn, artifactDir: runtime.place(image, result.digest) };
  }

  async function buildFiles(language: string, files: Files, extra = '') {
    contexts += 1;
    const sourceDir = join(dir, `source-${contexts}`);
    await writeFiles(sourceDir, {
      'stack.yml': `functions: {fn: {lang: ${language}, handler: fn${extra}}}\n`,
    });
    await writeFiles(join(sourceDir, 'fn'), files);
    return build(sourceDir);
  }

  async function launch(artifactDir: string, environment: Record<string, string> = {}) {
    const port = await freePort();
    const child = await runtime.spawn(artifactDir, environment, port);
    children.push(child);
    const output = { text: '' };
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output.text += text;
      });
    }
    const exited = once(child, 'close').then(([code]) => code as number | null);
    return { child, port, origin: `http://127.0.0.1:${port}`, output, exited };
  }

  async function start(artifactDir: string, environment: Record<string, string> = {}) {
    const started = await launch(artifactDir, environment);
    for (;;) {
      const health = await fetch(`${started.origin}/_/health`).catch(() => undefined);
      await health?.text();
      if (health?.status === 200) return started;
      if (started.child.exitCode !== null) throw new Error(`it has ended: ${started.output.text}`);
      await wait(10);
    }
  }

  async function dispose() {
    for (const child of children.filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    )) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await runtime[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  }

  return { dir, engine, catalog, build, buildFiles, launch, start, [Symbol.asyncDispose]: dispose };
}
