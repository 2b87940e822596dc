import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createHttpImageRegistry } from '../../runtime/registry/image-registry-http.ts';
import { manifestOf, startRegistryFixture } from '../../runtime/registry/registry-fixture.ts';
import type { StackFunction } from '../stack/stack.ts';
import { createPrebuiltImages } from './prebuilt-images-registry.ts';

const patience = () => AbortSignal.timeout(120_000);
const repository = {
  ...{ id: '1', name: 'app', owner: 'ann', ownerId: 'id-ann', cloneUrl: 'file:///r', defaultBranch: 'main' },
  private: false,
};
const place = { file: 'stack.yml', line: 3, column: 3 };

function functionOf(given: Partial<StackFunction>): StackFunction {
  const empty = { environment: {}, labels: {}, annotations: {}, limits: {}, requests: {}, buildArgs: {} };
  return {
    ...{
      name: 'app',
      lang: 'dockerfile',
      handler: 'app',
      ...empty,
      secrets: [],
      constraints: [],
      buildOptions: [],
    },
    ...{ buildSecrets: {}, platforms: [], readOnlyRootFilesystem: false, skipBuild: false, place, ...given },
  };
}

async function setUp(options: { runsImages?: boolean; registry?: string } = {}) {
  const top = await mkdtemp(join(tmpdir(), 'towline-prebuilt-'));
  const dir = join(top, 'source');
  await mkdir(dir);
  const fixture = await startRegistryFixture();
  const registry = createHttpImageRegistry(
    {
      of: async () => ({
        allowed: [{ scheme: 'http', registry: fixture.host, folder: [] }],
        credentials: () => undefined,
      }),
    },
    { maxTries: 1 },
  );
  const target = { runsImages: options.runsImages ?? true, registry: options.registry ?? 'own.registry' };
  const images = createPrebuiltImages({ registry, target });
  return {
    dir,
    fixture,
    find: (fn: Partial<StackFunction>) =>
      images.find({ fn: functionOf(fn), sourceDir: dir, repository, signal: patience() }),
    async dockerfile(text: string) {
      await mkdir(join(dir, 'app'), { recursive: true });
      await writeFile(join(dir, 'app', 'Dockerfile'), text);
    },
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await fixture[Symbol.asyncDispose]();
      await rm(top, { recursive: true, force: true });
    },
  };
}

test('a Dockerfile of one FROM is the image it names, as it is now', async () => {
  await using it = await setUp();
  const { host } = it.fixture;
  await it.dockerfile(`# released by CI\nFROM ${host}/team/app:1\n`);
  const one = it.fixture.push('team/app', '1', manifestOf('one'));
  const image = `${host}/team/app:1@${one}`;
  assert.deepEqual(await it.find({}), { image, text: `app: no build: ${image}` });
  const two = it.fixture.push('team/app', '1', manifestOf('two'));
  assert.equal((await it.find({}))?.image, `${host}/team/app:1@${two}`);
  await it.dockerfile(`FROM ${host}/team/app@${one} AS run`);
  assert.equal((await it.find({}))?.image, `${host}/team/app@${one}`);
});

test('skip_build deploys the image of the stack file, whatever the language', async () => {
  await using it = await setUp();
  const digest = it.fixture.push('team/app', 'v2', manifestOf('two'));
  const image = `${it.fixture.host}/team/app:v2`;
  const found = await it.find({ skipBuild: true, image, lang: 'node', handler: 'missing' });
  assert.equal(found?.image, `${image}@${digest}`);
  await assert.rejects(it.find({ skipBuild: true }), { code: 'stack_invalid', place });
});

test('what has to be built is left to the build', async () => {
  await using it = await setUp();
  assert.equal(await it.find({ lang: 'node' }), undefined);
  assert.equal(await it.find({}), undefined);
  await it.dockerfile(`FROM ${it.fixture.host}/team/app:1\nRUN true`);
  assert.equal(await it.find({}), undefined);
  await rm(join(it.dir, 'app', 'Dockerfile'));
  await writeFile(join(it.dir, '..', 'outside-dockerfile'), `FROM ${it.fixture.host}/team/app:1`);
  await symlink('../../outside-dockerfile', join(it.dir, 'app', 'Dockerfile'));
  assert.equal(await it.find({}), undefined);
  assert.deepEqual(it.fixture.seen, []);
});

test('errors name the file and the line', async () => {
  await using it = await setUp();
  const { host } = it.fixture;
  const place = { file: 'app/Dockerfile', line: 2, column: 1 };
  await it.dockerfile(`\nFROM ${host}/team/app:gone`);
  await assert.rejects(it.find({}), { code: 'image_not_found', place });
  await it.dockerfile('\nFROM other.example/team/app:1');
  await assert.rejects(it.find({}), { code: 'policy_refused', place });
  await it.dockerfile('\nFROM Team/App:1');
  await assert.rejects(it.find({}), { code: 'stack_invalid', place });
  await assert.rejects(it.find({ skipBuild: true, image: 'a b', imagePlace: place }), { place });
  it.fixture.intercept = (_req, res) => Boolean(res.writeHead(503).end());
  await it.dockerfile(`\nFROM ${host}/team/app:1`);
  await assert.rejects(it.find({}), { code: 'registry_unavailable', place });
});

test('an engine of plain processes refuses, and says what would do', async () => {
  await using it = await setUp({ runsImages: false });
  await it.dockerfile(`FROM ${it.fixture.host}/team/app:1`);
  await assert.rejects(it.find({}), { code: 'policy_refused', hint: /--engine docker/ });
  assert.deepEqual(it.fixture.seen, []);
});

test("what the platform built for somebody else is not this owner's to deploy", async () => {
  await using fixture = await startRegistryFixture();
  await using it = await setUp({ registry: `${fixture.host}/functions` });
  const refused = [`${fixture.host}/functions/bob/app-x:1`, `${fixture.host}/functions/annie/x:1`];
  for (const image of refused) {
    await assert.rejects(it.find({ skipBuild: true, image }), {
      code: 'policy_refused',
      message: /another owner/,
    });
  }
  const own = it.find({ skipBuild: true, image: `${fixture.host}/functions/ann/x:1` });
  await assert.rejects(own, { message: /not allowed in this installation/ });
});
