import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Template } from '../templates/template.ts';
import { describeBuildEngine, shellStep } from './build-engine.contract.ts';
import type { BuildRequest } from './build-engine.ts';
import { createProcessEngine, type ProcessEngineConfig } from './build-engine-process.ts';

const path = process.env['PATH']!;

function makeTemplate(scripts: Record<string, string>, more: Partial<Template> = {}): Template {
  return {
    language: 'shell',
    dir: '/nonexistent',
    handlerFolder: 'function',
    command: ['sh', 'run.sh'],
    mode: 'http',
    environment: { A: '1' },
    buildSteps: Object.entries(scripts).map(([name, script]) => shellStep(name, script)),
    ...more,
  };
}

function configIn(dir: string): ProcessEngineConfig {
  return {
    artifactsDir: join(dir, 'artifacts'),
    workDir: join(dir, 'work'),
    homeDir: join(dir, 'homes'),
    path,
  };
}

describeBuildEngine('process', async (dir) => {
  const engine = await createProcessEngine(configIn(dir));
  return { engine, template: makeTemplate, [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose]() };
});

describe('the process engine', () => {
  let dir: string;
  let config: ProcessEngineConfig;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'towline-process-'));
    config = configIn(dir);
    await mkdir(join(dir, 'context'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  async function build(template: Template, options: Partial<BuildRequest> = {}) {
    await using engine = await createProcessEngine(config);
    const lines: string[] = [];
    const result = await engine.build({
      buildId: 'b1',
      owner: 'alice',
      repo: 'repo',
      functionName: 'fn',
      contextDir: join(dir, 'context'),
      template,
      buildArgs: {},
      secrets: {},
      platforms: [],
      image: 'artifact.towline.internal/alice/repo-fn:latest-main-1234567',
      labels: {},
      timeoutMs: 30_000,
      onLine: (line) => lines.push(line),
      signal: new AbortController().signal,
      ...options,
    });
    return { ...result, lines, artifact: join(dir, 'artifacts', result.digest.slice(7)) };
  }

  it('stores a descriptor and the files, and leaves nothing else behind', async () => {
    await writeFile(join(dir, 'context/run.sh'), 'echo');
    const { artifact, digest } = await build(
      makeTemplate({ make: 'mkdir made; echo x > made/file; touch "$HOME/y"' }),
    );
    assert.deepEqual(JSON.parse(await readFile(join(artifact, 'artifact.json'), 'utf8')), {
      version: 1,
      language: 'shell',
      mode: 'http',
      command: ['sh', 'run.sh'],
      environment: { A: '1' },
    });
    assert.deepEqual((await readdir(join(artifact, 'root'), { recursive: true })).sort(), [
      'made',
      'made/file',
      'run.sh',
    ]);
    assert.deepEqual(await readdir(join(dir, 'artifacts')), [digest.slice(7)]);
    assert.deepEqual(await homes(dir), []);
  });

  it('names files as the repository does, wherever the context lies', async () => {
    const { lines } = await build(makeTemplate({ one: 'echo "in $PWD/function/handler.js"' }));
    assert.ok(lines.includes('in function/handler.js'), lines.join('\n'));
  });

  it('names the step that took too long', async () => {
    await assert.rejects(build(makeTemplate({ wait: 'echo going; sleep 600' }), { timeoutMs: 200 }), {
      message: /step wait.*0\.2 s/,
    });
  });

  it('gives another descriptor another digest', async () => {
    const first = await build(makeTemplate({}));
    const second = await build(makeTemplate({}, { environment: { A: '2' } }));
    assert.notEqual(first.digest, second.digest);
  });

  it('gives a build only its own environment: no variable of the platform, a fresh home, its build arguments', async () => {
    process.env['TOWLINE_TEST_SECRET'] = 'do not tell';
    const { lines } = await build(makeTemplate({ show: 'env' }), {
      buildArgs: { GREETING: 'hi', PATH: '/evil', HOME: '/evil', 'no name': 'x' },
    });
    delete process.env['TOWLINE_TEST_SECRET'];
    const env = new Map(
      lines.filter((line) => line.includes('=')).map((line) => line.split('=', 2) as [string, string]),
    );
    assert.deepEqual([env.get('PATH'), env.get('CI'), env.get('GREETING')], [path, '1', 'hi']);
    assert.ok(env.get('HOME')?.startsWith(join(dir, 'homes/build-home-')));
    assert.equal(
      lines.some((line) => line.includes('do not tell')),
      false,
    );
    const expected = [
      'CI',
      'GREETING',
      'HOME',
      'LANG',
      'PATH',
      'TMPDIR',
      'TOWLINE_ENGINE',
      'XDG_CACHE_HOME',
      'npm_config_cache',
    ];
    const shell = new Set(['PWD', 'OLDPWD', 'SHLVL', '_']);
    assert.deepEqual([...env.keys()].filter((name) => !shell.has(name)).sort(), expected);
  });

  it('keeps links that stay inside and refuses those that lead out', async () => {
    await build(makeTemplate({ link: 'mkdir a; echo 1 > a/b; ln -s ../a/b a/c' }));
    for (const target of ['/etc/passwd', '../../outside', 'a/../../x']) {
      await rm(join(dir, 'context'), { recursive: true });
      await mkdir(join(dir, 'context/a'), { recursive: true });
      await symlink(target, join(dir, 'context/link'));
      await assert.rejects(build(makeTemplate({})), { code: 'path_escapes', message: /"link"/ });
    }
    assert.equal((await readdir(join(dir, 'artifacts'))).length, 1);
  });

  it('refuses special files and what is larger than the limit, and leaves nothing half-done', async () => {
    await assert.rejects(build(makeTemplate({ pipe: 'mkfifo p' })), { code: 'build_failed', message: /"p"/ });
    await rm(join(dir, 'context'), { recursive: true });
    await mkdir(join(dir, 'context'));
    config.maxArtifactBytes = 1000;
    await assert.rejects(build(makeTemplate({ fill: 'head -c 1001 /dev/zero > big' })), {
      code: 'build_failed',
    });
    assert.deepEqual(await readdir(join(dir, 'artifacts')), []);
    assert.deepEqual(await homes(dir), []);
  });

  it('kills what a timed-out step has started in the background', async () => {
    const pidFile = join(dir, 'pid');
    const script = `sleep 600 & echo $! > ${pidFile}; wait`;
    await assert.rejects(build(makeTemplate({ spawn: script }), { timeoutMs: 300 }), {
      code: 'build_timeout',
    });
    const pid = Number(await readFile(pidFile, 'utf8'));
    while (await isRunning(pid)) await wait(5);
  });

  it('does not wait for a program that left its group and holds the output open, and ends it', async () => {
    const pidFile = join(dir, 'pid');
    const outsider = `echo $$ > ${pidFile}; exec sleep 60`;
    const script = `setsid sh -c '${outsider}' & while [ ! -s ${pidFile} ]; do sleep 0.01; done`;
    await using engine = await createProcessEngine(config);
    await engine.build({
      buildId: 'b1',
      owner: 'alice',
      repo: 'repo',
      functionName: 'fn',
      contextDir: join(dir, 'context'),
      template: makeTemplate({ leave: script }),
      buildArgs: {},
      secrets: {},
      platforms: [],
      image: 'artifact.towline.internal/alice/repo-fn:latest-main-1234567',
      labels: {},
      timeoutMs: 30_000,
      onLine: () => {},
      signal: new AbortController().signal,
    });
    const pid = Number(await readFile(pidFile, 'utf8'));
    while (await isRunning(pid)) await wait(5);
  });

  it('stops a step that prints without end, by bytes over all steps and by lines', async () => {
    const print = (line: string) => `yes ${line}`;
    const wide = 'x'.repeat(8000);
    const fill = `${print(wide)} | head -c 60000000`;
    await assert.rejects(build(makeTemplate({ fill, more: print(wide) })), {
      code: 'build_failed',
      message: 'step more printed more than 64 MB',
    });
    await assert.rejects(build(makeTemplate({ loop: print('y') })), {
      code: 'build_failed',
      message: 'step loop printed more than 500000 lines',
    });
  });

  it('ends its builds when it is disposed of', async () => {
    const engine = await createProcessEngine(config);
    let disposed: PromiseLike<void> | undefined;
    const building = engine.build({
      buildId: 'b1',
      owner: 'alice',
      repo: 'repo',
      functionName: 'fn',
      contextDir: join(dir, 'context'),
      template: makeTemplate({ wait: 'echo going; sleep 600' }),
      buildArgs: {},
      secrets: {},
      platforms: [],
      image: 'artifact.towline.internal/alice/repo-fn:latest-main-1234567',
      labels: {},
      timeoutMs: 30_000,
      onLine: (line) => {
        if (line === 'going') disposed = engine[Symbol.asyncDispose]();
      },
      signal: new AbortController().signal,
    });
    await assert.rejects(building, { code: 'unavailable' });
    await disposed;
    assert.deepEqual(await homes(dir), []);
  });

  it('clears away what a killed platform has left, and keeps what was finished', async () => {
    const { digest } = await build(makeTemplate({}));
    await mkdir(join(dir, 'artifacts/.new-1/root'), { recursive: true });
    await mkdir(join(dir, 'homes/build-home-1'), { recursive: true });
    await using engine = await createProcessEngine(config);
    assert.deepEqual(await readdir(join(dir, 'artifacts')), [digest.slice(7)]);
    assert.deepEqual(await homes(dir), []);
    assert.equal(await engine.has(`registry.example/alice/fn@${digest}`), true);
  });

  it('ends what the builds of a killed platform still run, and nobody else', async () => {
    const { lines } = await build(makeTemplate({ show: 'env' }));
    const marker = lines.find((line) => line.startsWith('TOWLINE_ENGINE='))?.split('=')[1] ?? '';
    assert.match(marker, /^[0-9a-f]{32}$/);
    const start = (value: string) =>
      spawn('sleep', ['60'], { env: { PATH: path, TOWLINE_ENGINE: value }, stdio: 'ignore' });
    const left = start(marker);
    const stranger = start(`${marker}0`);
    try {
      const ended = once(left, 'exit');
      await using _ = await createProcessEngine(config);
      assert.deepEqual(await ended, [null, 'SIGKILL']);
      assert.equal(await isRunning(stranger.pid!), true);
    } finally {
      left.kill('SIGKILL');
      stranger.kill('SIGKILL');
    }
  });

  it('replaces an artifact of which an interrupted removal has left a part', async () => {
    const { artifact } = await build(makeTemplate({ make: 'echo x > file' }));
    await rm(join(artifact, 'artifact.json'));
    const again = await build(makeTemplate({ make: 'echo x > file' }));
    assert.equal(again.artifact, artifact);
    assert.deepEqual((await readdir(artifact)).sort(), ['artifact.json', 'root']);
  });

  it('names the program that is missing, before anything is run', async () => {
    const template = makeTemplate({ talk: 'echo ran' }, { command: ['no-such-program', 'x'] });
    await assert.rejects(build(template), {
      code: 'build_failed',
      message: /needs the program "no-such-program"/,
      hint: /install no-such-program/,
    });
  });

  it('runs a step only if its conditions hold', async () => {
    await writeFile(
      join(dir, 'context/package.json'),
      '{"dependencies":{},"scripts":{"test":"no test specified"}}',
    );
    await writeFile(join(dir, 'context/requirements.txt'), '# nothing\n\n');
    const when = (file: string, more = {}) => ({ file, ...more });
    const cases: [string, Partial<ReturnType<typeof shellStep>>][] = [
      ['exists', { if: [when('package.json')] }],
      ['missing', { if: [when('other.json')] }],
      ['both', { if: [when('package.json'), when('other.json')] }],
      ['unless', { unless: [when('package.json')] }],
      ['empty field', { if: [when('package.json', { fields: ['dependencies'] })] }],
      ['absent field', { if: [when('package.json', { fields: ['a.b.c', '__proto__'] })] }],
      ['any field', { if: [when('package.json', { fields: ['dependencies', 'scripts'] })] }],
      ['text', { unless: [when('package.json', { fields: ['scripts.test'], text: 'no test' })] }],
      ['lines', { if: [when('requirements.txt', { lines: true })] }],
    ];
    const buildSteps = cases.map(([name, conditions]) => ({
      ...shellStep(name, `echo "did ${name}"`),
      ...conditions,
    }));
    const { lines } = await build(makeTemplate({}, { buildSteps }));
    assert.deepEqual(
      lines.filter((line) => line.startsWith('did ')),
      ['did exists', 'did any field'],
    );
  });

  it('says which file is not JSON', async () => {
    await writeFile(join(dir, 'context/package.json'), '{"dependencies":');
    const buildSteps = [
      { ...shellStep('x', 'true'), if: [{ file: 'package.json', fields: ['dependencies'] }] },
    ];
    await assert.rejects(build(makeTemplate({}, { buildSteps })), {
      code: 'build_failed',
      message: /^package\.json is not valid JSON/,
    });
  });
});

async function homes(dir: string): Promise<string[]> {
  return (await readdir(join(dir, 'homes'))).filter((name) => name !== '.build-engine');
}

/** A zombie that nobody has collected yet is not running either. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat !== undefined && !/\) Z /.test(stat);
}
