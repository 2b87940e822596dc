import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import Docker from 'dockerode';
import { TowlineError } from '../../core/errors.ts';
import { createLogger } from '../../runtime/logger.ts';
import { makeBaseImage, pushBaseImage } from '../../test/containers/base-image.ts';
import { startDockerd, type TestDockerd } from '../../test/containers/dockerd.ts';
import { registryAccount, startRegistry } from '../../test/containers/registry.ts';
import { shellServer } from '../../test/containers/shell-server.ts';
import { desire } from './artifact-fixture.ts';
import { supervisorDefaults } from './config.ts';
import { type ContainerStarterConfig, containerStarter } from './container-starter.ts';
import type { DesiredFunction } from './desired-function.ts';
import type { Starter } from './starter.ts';

const localRegistry = 'docker.towline.internal';
const server = shellServer('$ANSWER');

describe('the starter of containers', () => {
  let daemon: TestDockerd;
  let base: string;
  let dir: string;
  const images = new Map<string, string>();
  before(async () => {
    daemon = await startDockerd();
    base = await daemon.load('shell');
  });
  after(() => daemon[Symbol.asyncDispose]());
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'towline-starter-'));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true });
    const left = await daemon.docker(['ps', '--all', '--quiet']);
    // One test that fails is one failure.
    if (left !== '') await daemon.docker(['rm', '--force', ...left.split('\n')]);
    assert.equal(left, '', 'a container is left');
  });

  function starter(
    more: Partial<ContainerStarterConfig> = {},
    marker = 'marker-of-the-test',
    readyTimeoutMs = 60_000,
  ): Starter {
    const socketPath = daemon.host.slice('unix://'.length);
    const engine = {
      docker: new Docker({ socketPath, timeout: 60_000 }),
      patient: new Docker({ socketPath }),
    };
    const logger = createLogger({ level: 'silent', name: 'test' });
    const supervisor = {
      ...supervisorDefaults,
      artifactsDir: '',
      stateDir: dir,
      path: '',
      readyTimeoutMs,
    };
    return containerStarter(
      { localRegistry, ...more },
      { engine, readSecret: async (_owner, name) => (name === 'known' ? 'its value' : undefined) },
    )(supervisor, { marker, homesDir: dir, logger, random: Math.random });
  }

  /** An image that runs this script; its digest. */
  async function image(script: string): Promise<string> {
    const known = images.get(script);
    if (known !== undefined) return known;
    const changes = ['--change', `CMD ${JSON.stringify(['sh', '-c', script])}`];
    const id = await daemon.docker(['create', base]);
    const digest = await daemon.docker(['commit', ...changes, id]);
    await daemon.docker(['rm', id]);
    images.set(script, digest);
    return digest;
  }

  async function version(script: string, more: Partial<DesiredFunction> = {}): Promise<DesiredFunction> {
    const digest = await image(script);
    return desire(digest, { image: `${localRegistry}/alice/site-hello:latest@${digest}`, ...more });
  }

  async function start(from: Starter, wanted: DesiredFunction) {
    const output: string[] = [];
    const signal = new AbortController().signal;
    const instance = await from.start(wanted, (chunk) => output.push(chunk.toString()), signal);
    return { instance, output };
  }

  const ask = async (origin: string) => (await fetch(origin)).text();

  it('starts what answers, with its environment, and hands on what it prints', async () => {
    const wanted = await version(`echo begun; echo oops >&2; ${server}`, {
      environment: { ANSWER: 'hi there' },
    });
    const { instance, output } = await start(starter(), wanted);
    assert.match(instance.origin, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(await ask(instance.origin), 'hi there');
    assert.match(output.join(''), /begun/);
    assert.equal(instance.tail.cause(), 'oops');
    instance.kill();
    assert.equal(await instance.ended, 'was ended by SIGKILL');
  });

  it('gives an image neither root by another name nor room on the machine', async () => {
    const script = `id -u; touch /data/x && df -k /data | tail -1; ${server}`;
    const made = await daemon.docker([
      'create',
      base,
      'sh',
      '-c',
      "echo 'toor:x:0:0::/:/bin/sh' >> /etc/passwd",
    ]);
    await daemon.docker(['start', '--attach', made]);
    const changes = [`CMD ${JSON.stringify(['sh', '-c', script])}`, 'VOLUME /data', 'USER toor'];
    const digest = await daemon.docker(['commit', ...changes.flatMap((one) => ['--change', one]), made]);
    await daemon.docker(['rm', '--volumes', made]);
    const wanted = desire(digest, {
      image: `${localRegistry}/alice/site-hello:latest@${digest}`,
      environment: { ANSWER: 'up' },
      // More than the machine has: it gets all of it.
      limits: { cpu: '5000' },
    });
    const { instance, output } = await start(starter(), wanted);
    assert.match(output.join(''), /^65534\s.*tmpfs\s+65536\s/s);
    assert.equal(await daemon.docker(['volume', 'ls', '--quiet']), '');
    instance.kill();
    await instance.ended;
  });

  it('lets a program finish that is asked to end', async () => {
    const script = `trap 'echo finishing; exit 5' TERM; (${server}) & wait`;
    const { instance, output } = await start(starter(), await version(script));
    instance.terminate();
    assert.equal(await instance.ended, 'exited with code 5');
    assert.match(output.join(''), /finishing/);
  });

  it('says why a version does not come up, and leaves nothing', async () => {
    const failing: [script: string, readyTimeoutMs: number, message: RegExp][] = [
      [
        'echo "Error: no such handler" >&2; exit 7',
        60_000,
        /^exited with code 7 before it was healthy: Error: no such handler$/,
      ],
      ['sleep 1000', 2_000, /^did not answer its health check within 2 s/],
    ];
    for (const [script, readyTimeoutMs, message] of failing) {
      const starting = start(starter({}, undefined, readyTimeoutMs), await version(script));
      await assert.rejects(starting, { code: 'unhealthy', message });
    }
    const digest = `sha256:${'0'.repeat(64)}`;
    const gone = desire(digest, { image: `${localRegistry}/alice/x:1@${digest}` });
    await assert.rejects(start(starter(), gone), { code: 'image_gone' });
  });

  it('gives up a start that is no longer wanted', async () => {
    const controller = new AbortController();
    const starting = starter().start(
      await version('echo here; sleep 1000'),
      () => controller.abort(),
      controller.signal,
    );
    await assert.rejects(starting, { name: 'AbortError' });
  });

  it('starts many at once in one network, and ends what an earlier run left', async () => {
    const wanted = await version(server, { environment: { ANSWER: 'one of many' } });
    const killed = starter();
    const started = await Promise.all([1, 2, 3, 4].map(() => start(killed, wanted)));
    const networks = await daemon.docker([
      'network',
      'ls',
      '--quiet',
      '--filter',
      'label=dev.towline.supervisor',
    ]);
    assert.equal(networks.split('\n').length, 1);
    const other = starter({}, 'another-installation');
    assert.equal(await other.endOrphans(), 0);
    assert.equal(await ask(started[0]!.instance.origin), 'one of many');
    assert.equal(await starter().endOrphans(), 4);
    await Promise.all(started.map(({ instance }) => instance.ended));
    assert.equal(
      await daemon.docker(['network', 'ls', '--quiet', '--filter', 'label=dev.towline.supervisor']),
      '',
    );
  });

  it('says that a program cannot be started', async () => {
    const id = await daemon.docker(['create', base]);
    const digest = await daemon.docker(['commit', '--change', 'CMD ["/no/such/program"]', id]);
    await daemon.docker(['rm', id]);
    const wanted = desire(digest, { image: `${localRegistry}/alice/x:1@${digest}` });
    await assert.rejects(start(starter(), wanted), {
      code: 'unhealthy',
      message: /^could not be started: .*no such file or directory/,
    });
  });

  it('refuses to start without a secret that the function names', async () => {
    const missing = start(starter(), await version(server, { secrets: ['alice-unknown'] }));
    await assert.rejects(missing, {
      code: 'unhealthy',
      message: 'alice has no secret "unknown" on this machine',
    });
    const path = start(starter(), await version(server, { secrets: ['../known'] }));
    await assert.rejects(path, { code: 'unhealthy' });
    const script = `cat /var/openfaas/secrets/alice-known /var/openfaas/secrets/known; ${server}`;
    const { instance, output } = await start(starter(), await version(script, { secrets: ['alice-known'] }));
    assert.equal(output.join(''), 'its valueits value');
    instance.kill();
    await instance.ended;
  });

  it('pulls an image of a registry by its digest, with the owner’s own rights', async () => {
    await using registry = await startRegistry({ auth: 'htpasswd' });
    const { username, password } = registryAccount;
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const pushed = await pushBaseImage(registry, await makeBaseImage('shell'), {
      name: 'other/app:1',
      headers: { authorization },
    });
    const wanted = desire(pushed.digest, { image: `${pushed.image}@${pushed.digest}` });
    await assert.rejects(start(starter(), wanted), { code: 'image_forbidden' });
    const mine = starter({
      credentials: async (ownerId, host) =>
        ownerId === wanted.ownerId && host === registry.host
          ? { username, password, serveraddress: host }
          : undefined,
    });
    // It is a shell without a terminal: it ends at once, which is the proof that it ran.
    await assert.rejects(start(mine, wanted), (error) => {
      assert.ok(error instanceof TowlineError);
      assert.match(error.message, /^exited with code 0 before it was healthy/);
      return true;
    });
    const missing = `${registry.host}/other/app:1@sha256:${'1'.repeat(64)}`;
    await assert.rejects(start(mine, { ...wanted, image: missing }), { code: 'image_not_found' });
    const away = `127.0.0.1:1/other/app:1@sha256:${'1'.repeat(64)}`;
    await assert.rejects(start(mine, { ...wanted, image: away }), { code: 'registry_unavailable' });
  });
});
