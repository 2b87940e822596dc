import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { TowlineError } from '../../core/errors.ts';
import type { BuildEngine, BuildRequest } from './build-engine.ts';

/** What an image consists of, as its users can read it. */
export interface ImageContents {
  /** The OCI configuration, of the first platform. */
  config: { architecture: string; config?: { Labels?: Record<string, string>; Env?: string[] } };
  /** The manifests, configurations and layers of all platforms; layers uncompressed. */
  blobs: Buffer[];
}

export interface ImageEngineSubject extends AsyncDisposable {
  engine: BuildEngine;
  /** A base image with a shell, as a Dockerfile of any owner may name it. */
  base: string;
  /** An image that exists but belongs to the owner `bob`. */
  foreign: string;
  contents(image: string): Promise<ImageContents>;
  /** What the engine puts on every image for itself. */
  ownLabels?: Record<string, string> | undefined;
  /** `false`: of lines that the parser takes, the engine doesn't say which one failed, as up to Docker 20.10. */
  namesLines?: boolean | undefined;
  /** As a crash does; resolves when it is gone. */
  killBuilder(): Promise<void>;
  startBuilder(): Promise<void>;
}

export interface Outcome {
  image: string;
  digest: string;
  sizeBytes: number;
  lines: string[];
  phases: string[];
}

export type BuildImage = (
  dockerfile: string,
  options?: Partial<BuildRequest> & { files?: Record<string, string> },
) => Promise<Outcome>;

/** A call that makes a context of the Dockerfile and the files, and has the engine build it for `alice`. */
export function imageBuilder(engine: () => BuildEngine, dir: () => string): BuildImage {
  return async (dockerfile, { files = {}, ...options } = {}) => {
    const contextDir = await mkdtemp(join(dir(), 'context-'));
    for (const [path, text] of Object.entries({ ...files, Dockerfile: dockerfile })) {
      await mkdir(dirname(join(contextDir, path)), { recursive: true });
      await writeFile(join(contextDir, path), text);
    }
    const lines: string[] = [];
    const phases: string[] = [];
    const image = `${engine().registry}/alice/repo-fn:latest-main-1234567`;
    const result = await engine()
      .build({
        buildId: 'b1',
        owner: 'alice',
        repo: 'repo',
        functionName: 'fn',
        contextDir,
        template: null,
        buildArgs: {},
        secrets: {},
        platforms: [],
        image,
        labels: {},
        timeoutMs: 60_000,
        onLine: (line) => lines.push(line),
        onPhase: (text) => phases.push(text),
        signal: new AbortController().signal,
        ...options,
      })
      .catch((error: Error) => {
        throw Object.assign(error, { lines });
      });
    return { ...result, image: `${image}@${result.digest}`, lines, phases };
  };
}

/** Ids of this machine's processes whose command line holds the text. */
export async function processesWith(text: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(text)) found.push(pid);
  }
  return found;
}

/** What those engines must do that make images of Dockerfiles, besides the contract of all engines. */
export function describeImageEngine(
  name: string,
  makeSubject: (dir: string) => Promise<ImageEngineSubject>,
): void {
  describe(`the image engine ${name}`, () => {
    let dir: string;
    let subject: ImageEngineSubject;
    const build = imageBuilder(
      () => subject.engine,
      () => dir,
    );
    before(async () => {
      dir = await mkdtemp(join(tmpdir(), 'towline-images-'));
      subject = await makeSubject(dir);
    });
    after(async () => {
      await subject?.[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    });

    it('gives secrets to the steps that mount them, and to nothing that is kept', async () => {
      const secret = `open-${randomUUID()}`;
      const { image, lines, phases } = await build(
        `FROM ${subject.base}\nRUN --mount=type=secret,id=api.token wc -c < /run/secrets/api.token && touch /made\n`,
        { secrets: { 'api.token': secret, other: 'never asked for' } },
      );
      assert.ok(lines.includes(String(secret.length)), lines.join('\n'));
      const { blobs } = await subject.contents(image);
      assert.ok(blobs.length >= 3);
      assert.ok(blobs.some((blob) => blob.includes('made')));
      assert.ok(!blobs.some((blob) => blob.includes(secret)));
      assert.ok(![...lines, ...phases].some((line) => line.includes(secret)));
    });

    it('refuses a secret whose name could be read as another option', async () => {
      const building = build(`FROM ${subject.base}\n`, { secrets: { 'a,src=/etc/passwd': 'x' } });
      await assert.rejects(building, { code: 'stack_invalid' });
    });

    it('puts labels on the image, over those of the Dockerfile, whatever their values', async () => {
      const labels = {
        'org.opencontainers.image.revision': '1234567',
        'towline.dev/odd': 'a,b="c" $d \\ ü\nsecond line',
        'towline.dev/empty': '',
      };
      const { image } = await build(`FROM ${subject.base}\nLABEL towline.dev/empty=mine own=1\n`, { labels });
      const { config } = await subject.contents(image);
      assert.deepEqual(config.config?.Labels, { ...labels, own: '1', ...subject.ownLabels });
    });

    it('gives build arguments to those ARG lines that ask for them', async () => {
      const { lines } = await build(
        `FROM ${subject.base}\nARG GREETING\nARG LATER=default\nRUN echo "<$GREETING> <$LATER> <$UNASKED>"\n`,
        { buildArgs: { GREETING: 'a, "b" = c', UNASKED: 'x' } },
      );
      assert.ok(lines.includes('<a, "b" = c> <default> <>'), lines.join('\n'));
    });

    it('takes in files of any name, and links as links', async () => {
      const files = Object.fromEntries(
        ['with space', '--flag', 'a,b=c', '"quoted"', 'häse 🐇', '$HOME', 'back\\slash', '.hidden'].map(
          (file) => [`in/${file}`, file],
        ),
      );
      const { lines } = await build(
        `FROM ${subject.base}\nCOPY in /in\nRUN cd /in && for f in * .h*; do echo "$f=$(cat ./"$f")"; done\n`,
        { files },
      );
      for (const file of Object.values(files)) assert.ok(lines.includes(`${file}=${file}`), lines.join('\n'));
    });

    it('leaves out what .dockerignore names', async () => {
      const { lines } = await build(`FROM ${subject.base}\nCOPY . /in\nRUN ls /in/data\n`, {
        files: {
          '.dockerignore': 'data/*.log\n!data/keep.log\n',
          'data/a.log': '',
          'data/keep.log': '',
          'data/b': '',
        },
      });
      assert.deepEqual(
        lines.filter((line) => /^(a\.log|b|keep\.log)$/.test(line)),
        ['b', 'keep.log'],
      );
    });

    it('builds for the platform that is asked for', async () => {
      const { image } = await build('FROM scratch\nCOPY Dockerfile /\n', { platforms: ['linux/arm64'] });
      const { config } = await subject.contents(image);
      assert.equal(config.architecture, 'arm64');
    });

    it('tells each step as it begins, and which were done before', async () => {
      const dockerfile = `FROM ${subject.base}\nRUN echo ${randomUUID()} > /made\n`;
      const first = await build(dockerfile);
      const second = await build(dockerfile);
      const runs = (phases: string[]) => phases.filter((phase) => phase.includes('RUN echo'));
      assert.equal(runs(first.phases).length, 1);
      assert.ok(!runs(first.phases)[0]!.includes('(cached)'));
      assert.match(runs(second.phases)[0]!, /RUN echo .*\(cached\)$/);
      assert.equal(first.digest, second.digest);
    });

    it('names the line of a mistake in the Dockerfile', async () => {
      await assert.rejects(build(`FROM ${subject.base}\n\nRUNN true\n`), {
        code: 'build_failed',
        message: /RUNN/,
        place: { file: 'Dockerfile', line: 3 },
      });
      const at = (line: number) => (subject.namesLines === false ? undefined : { file: 'Dockerfile', line });
      await assert.rejects(build(`FROM ${subject.base}\nCOPY nothing /\n`), {
        code: 'build_failed',
        message: /nothing.*not found/,
        place: at(2),
      });
      await assert.rejects(build(`FROM ${subject.base}\nRUN true\nRUN exit 7\n`), {
        code: 'build_failed',
        message: /RUN exit 7 failed with exit code 7$/,
        place: at(3),
      });
    });

    it("blames the build for a step that prints an outage's words", async () => {
      const words = 'no space left on device: rpc error: code = Unavailable desc = connection refused';
      await assert.rejects(build(`FROM ${subject.base}\nRUN echo "Error: ${words}" && exit 4\n`), {
        code: 'build_failed',
        message: /exit code 4/,
      });
    });

    it('tells a base image that is not there, with the line', async () => {
      const missing = subject.base.replace(/:[^:/]+$/, ':no-such-tag');
      await assert.rejects(build(`ARG X=1\nFROM ${missing}\n`), (error: TowlineError) => {
        assert.equal(error.code, 'image_not_found');
        assert.ok(error.message.includes(missing), error.message);
        if (subject.namesLines !== false) assert.deepEqual(error.place, { file: 'Dockerfile', line: 2 });
        return true;
      });
    });

    it("lets no Dockerfile have another owner's image", async () => {
      for (const line of [
        `FROM ${subject.foreign}`,
        `FROM ${subject.base}\nCOPY --from=${subject.foreign} / /x`,
      ]) {
        await assert.rejects(build(`${line}\n`), (error: TowlineError) => {
          assert.ok(
            ['policy_refused', 'image_forbidden', 'image_not_found'].includes(error.code),
            error.message,
          );
          return true;
        });
      }
    });

    it('gives no owner, and no other value of a secret, what a step made of a secret before', async () => {
      const step = `RUN --mount=type=secret,id=token cp /run/secrets/token /kept || echo none > /kept # ${randomUUID()}`;
      const made = async (options: Partial<BuildRequest>) => {
        const show = 'RUN tr a-y b-z < /kept';
        const { lines } = await build(`FROM ${subject.base}\n${step}\n${show}\n`, options);
        return lines;
      };
      const image = `${subject.engine.registry}/bob/repo-fn:1`;
      const bob = { owner: 'bob', image };
      assert.ok((await made({ secrets: { token: 'open-sesame' } })).includes('pqfo-tftbnf'));
      assert.ok((await made(bob)).includes('opof'));
      const BUILDKIT_SANDBOX_HOSTNAME = 'alice';
      assert.ok(
        (await made({ ...bob, buildArgs: { BUILDKIT_SANDBOX_HOSTNAME } })).every(
          (line) => !/pqfo/.test(line),
        ),
      );
      assert.ok((await made({ secrets: { token: 'closed-door' } })).includes('dmptfe-epps'));
      // A name that somebody else had before.
      assert.ok((await made({ ownerId: 'another-alice' })).includes('opof'));
    });

    it('runs every step again if it is asked to', async () => {
      const dockerfile = `FROM ${subject.base}\nRUN cat /proc/sys/kernel/random/uuid; echo ${randomUUID()}\n`;
      const uuid = /^[0-9a-f-]{36}$/;
      const first = (await build(dockerfile)).lines.filter((line) => uuid.test(line));
      const again = (await build(dockerfile, { noCache: true })).lines.filter((line) => uuid.test(line));
      assert.equal(first.length, 2);
      assert.equal(again.length, 2);
      assert.notEqual(again[0], first[0]);
    });

    it('asks no registry that the owner may not use, by whatever name and line', async () => {
      const alias = subject.foreign.replace('127.0.0.1', 'localhost');
      for (const image of ['127.0.0.1:1/x/y:1', '169.254.169.254/x/y:1', alias, 'kubernetes.default/x']) {
        for (const lines of [
          `FROM ${image}\nLABEL a=b`,
          `FROM ${subject.base}\nCOPY --from=${image} / /x`,
          `FROM ${subject.base}\nRUN --mount=type=bind,from=${image},target=/x ls /x`,
          `ARG HOST=${image}\nFROM \${HOST}\nLABEL a=b`,
          `FR\\\nOM \\\n# comment\n${image}\nLABEL a=b`,
        ]) {
          await assert.rejects(build(`${lines}\n`), { code: 'policy_refused' }, lines);
        }
      }
    });

    it('lets no Dockerfile choose a frontend of its own', async () => {
      for (const first of [
        '# syntax=evil.example/frontend:1',
        '#Syntax = docker/dockerfile-upstream:master',
        '// syntax=127.0.0.1:1/x',
        '# escape=`\n# syntax=x/y',
      ]) {
        const building = build(`${first}\nFROM ${subject.base}\n`);
        await assert.rejects(building, { code: 'policy_refused', message: /frontend/ }, first);
      }
      const buildArgs = { BUILDKIT_SYNTAX: '127.0.0.1:1/x/y:1' };
      assert.ok((await build(`FROM ${subject.base}\nRUN true\n`, { buildArgs })).digest);
    });

    it('keeps the output of builds that run at once apart', async () => {
      const run = (word: string) =>
        build(`FROM ${subject.base}\nRUN for i in 1 2 3 4 5; do echo ${word}-$i; sleep 0.1; done\n`);
      const words = [randomUUID(), randomUUID(), randomUUID()];
      const outcomes = await Promise.all(words.map(run));
      for (const [index, { lines }] of outcomes.entries()) {
        const others = words.filter((_, other) => other !== index);
        assert.deepEqual(
          lines.filter((line) => words.some((word) => line.startsWith(word))),
          [1, 2, 3, 4, 5].map((i) => `${words[index]}-${i}`),
        );
        assert.ok(!lines.some((line) => others.some((word) => line.includes(word))));
      }
      assert.equal(new Set(outcomes.map(({ digest }) => digest)).size, 3);
    });

    it('ends the programs of a build that is aborted, in the builder too', async () => {
      const marker = `/proc/self/${randomUUID()}`;
      const controller = new AbortController();
      const building = build(`FROM ${subject.base}\nRUN echo going; exec tail -f /dev/null ${marker}\n`, {
        signal: controller.signal,
        onLine: (line) => line === 'going' && controller.abort(new Error('superseded')),
      });
      await assert.rejects(building, { message: 'superseded' });
      while ((await processesWith(`tail\0-f\0/dev/null\0${marker}`)).length > 0) await wait(20);
    });

    it('says that the builder is away when it dies during a build, and builds again when it is back', async () => {
      let killed: Promise<void> | undefined;
      const building = build(`FROM ${subject.base}\nRUN echo going; exec sleep 600\n`, {
        onLine: (line) => {
          if (line === 'going') killed = subject.killBuilder();
        },
      });
      await assert.rejects(building, { code: 'engine_unavailable' });
      await killed;
      await assert.rejects(build(`FROM ${subject.base}\n`), { code: 'engine_unavailable' });
      await subject.startBuilder();
      const { image } = await build(`FROM ${subject.base}\nRUN echo back > /made\n`);
      assert.equal(await subject.engine.has(image), true);
    });
  });
}
