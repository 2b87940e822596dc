import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { BuildStep, Template } from '../templates/template.ts';
import type { BuildEngine, BuildRequest } from './build-engine.ts';

export interface EngineSubject extends AsyncDisposable {
  engine: BuildEngine;
  /** A template whose build runs these shell scripts, one step each; `null` for an engine that builds Dockerfiles. */
  template(scripts: Record<string, string>): Template | null;
  /** Puts into the context what the engine needs to run the scripts, as a Dockerfile. */
  prepare?: ((contextDir: string, scripts: Record<string, string>) => Promise<void>) | undefined;
  /** A time in which no build's sleeping script ends, but this engine has long begun it. Default: 200 ms. */
  shortMs?: number | undefined;
  /** Lines that come through at least, of an engine that clips what a step prints. Default: all. */
  keptLines?: number | undefined;
}

export function shellStep(name: string, script: string): BuildStep {
  return { name, command: ['sh', '-c', script], cwd: '.', if: [], unless: [] };
}

/** A Dockerfile that takes in the context and runs the scripts on the base image, a RUN for each. */
export function shellDockerfile(base: string, scripts: Record<string, string>): string {
  const runs = Object.entries(scripts).map(
    ([name, script]) => `RUN ${JSON.stringify(['sh', '-c', script, name])}`,
  );
  return `${[`FROM ${base}`, 'WORKDIR /home/app', 'COPY . .', ...runs].join('\n')}\n`;
}

/** What the pipeline counts on, whatever builds. */
export function describeBuildEngine(
  name: string,
  makeSubject: (dir: string) => Promise<EngineSubject>,
): void {
  describe(`the build engine ${name}`, () => {
    let dir: string;
    let subject: EngineSubject;
    let contexts = 0;
    before(async () => {
      dir = await mkdtemp(join(tmpdir(), 'towline-engine-'));
      subject = await makeSubject(dir);
    });
    after(async () => {
      await subject[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    });

    const imageOf = () => `${subject.engine.registry}/alice/repo-fn:latest-main-1234567`;

    async function context(files: Record<string, string> = { 'a.txt': 'a' }): Promise<string> {
      contexts += 1;
      const contextDir = join(dir, 'contexts', String(contexts));
      await mkdir(contextDir, { recursive: true });
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(contextDir, path)), { recursive: true });
        await writeFile(join(contextDir, path), text);
      }
      return contextDir;
    }

    async function build(scripts: Record<string, string>, options: Partial<BuildRequest> = {}) {
      const lines: string[] = [];
      const contextDir = options.contextDir ?? (await context());
      await subject.prepare?.(contextDir, scripts);
      const result = await subject.engine.build({
        buildId: 'b1',
        owner: 'alice',
        repo: 'repo',
        functionName: 'fn',
        contextDir,
        template: subject.template(scripts),
        buildArgs: {},
        secrets: {},
        platforms: [],
        image: imageOf(),
        labels: {},
        timeoutMs: 60_000,
        onLine: (line) => lines.push(line),
        signal: new AbortController().signal,
        ...options,
      });
      return { ...result, lines };
    }

    it('gives a digest that it then has', async () => {
      const { digest, sizeBytes } = await build({});
      assert.match(digest, /^sha256:[0-9a-f]{64}$/);
      assert.ok(sizeBytes > 0);
      assert.equal(await subject.engine.has(`${imageOf()}@${digest}`), true);
    });

    it('does not have what was never built, nor what is no digest', async () => {
      assert.equal(await subject.engine.has(`${imageOf()}@sha256:${'0'.repeat(64)}`), false);
      assert.equal(await subject.engine.has('registry.example/a@sha256:../../etc'), false);
      assert.equal(await subject.engine.has(''), false);
    });

    it('gives the same content the same digest, also when built at the same time', async () => {
      const files = { b: '1', 'a/c': '2' };
      const digests = await Promise.all(
        [1, 2, 3, 4].map(async () => (await build({}, { contextDir: await context(files) })).digest),
      );
      assert.equal(new Set(digests).size, 1);
    });

    it('gives different content, names, kinds and modes different digests', async () => {
      const executable = await context({ a: 'x' });
      await chmod(join(executable, 'a'), 0o755);
      const linked = await context({ b: 'x' });
      await symlink('b', join(linked, 'a'));
      const contents = [{ a: 'x' }, { a: 'y' }, { b: 'x' }, { 'a/b': 'x' }, { a: 'x', b: '' }];
      const all = [executable, linked, ...(await Promise.all(contents.map((files) => context(files))))];
      const digests = await Promise.all(
        all.map(async (contextDir) => (await build({}, { contextDir })).digest),
      );
      assert.equal(new Set(digests).size, all.length);
    });

    it('hands on output line by line', async () => {
      const { lines } = await build({
        talk: 'echo one; printf "two\\nthr"; sleep 0.05; echo ee; sleep 0.05; echo err >&2',
      });
      for (const line of ['one', 'two', 'three', 'err']) assert.ok(lines.includes(line), `no line "${line}"`);
    });

    it('fails with the step, the exit code and the telling line', async () => {
      const scripts = { compile: 'echo "Error: no such thing: x"; echo "    at somewhere"; exit 3' };
      await assert.rejects(build(scripts), {
        code: 'build_failed',
        message: /^step .*compile.* failed with exit code 3: Error: no such thing: x$/,
      });
    });

    it('stops at the first step that fails', async () => {
      const lines: string[] = [];
      await assert.rejects(
        build({ one: 'exit 1', two: 'echo second' }, { onLine: (line) => lines.push(line) }),
      );
      assert.ok(!lines.includes('second'));
    });

    it('ends a build that takes too long', async () => {
      const timeoutMs = subject.shortMs ?? 200;
      await assert.rejects(build({ wait: 'echo going; sleep 600' }, { timeoutMs }), {
        code: 'build_timeout',
        message: /was stopped: the build took longer than its \d+(\.\d)? s$/,
      });
    });

    it('ends a build whose program has left a child behind that holds its output', async () => {
      const { lines } = await build({ leave: 'sleep 600 & echo left' });
      assert.ok(lines.includes('left'));
    });

    it('stops when the request is aborted', async () => {
      const controller = new AbortController();
      const reason = new Error('superseded');
      const building = build(
        { wait: 'echo going; sleep 600' },
        { signal: controller.signal, onLine: (line) => line === 'going' && controller.abort(reason) },
      );
      await assert.rejects(building, reason);
      await assert.rejects(build({}, { signal: controller.signal }), reason);
    });

    it('copes with fifty thousand lines and one of five megabytes', async () => {
      let longest = 0;
      let count = 0;
      await build(
        { shout: 'seq 50000; head -c 5000000 /dev/zero | tr "\\0" x' },
        {
          onLine: (line) => {
            count += 1;
            longest = Math.max(longest, line.length);
          },
        },
      );
      assert.ok(count > (subject.keptLines ?? 50_000));
      assert.ok(longest <= 8192);
    });
  });
}
