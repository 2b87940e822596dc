import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { createLogger } from '../runtime/logger.ts';
import { createHttpBuildService } from '../runtime/services/build-service-http.ts';
import { parseServiceTokens } from '../runtime/services/service-tokens.ts';
import { programFiles, startProgramProcess } from '../test/programs/program-process.ts';

const main = 'builder/main.ts';
const logger = createLogger({ level: 'silent', name: 'test' });
const secret = 's'.repeat(40);

async function scene() {
  const files = await programFiles();
  await writeFile(files.at('webhook-secret'), `${secret}\n`);
  return {
    files,
    env: {
      TOWLINE_PUBLIC_ORIGIN: 'https://fn.example.org',
      TOWLINE_DATA: files.at('data'),
      TOWLINE_SERVICE_TOKEN_FILE: files.at('tokens'),
      TOWLINE_KUBECONFIG: files.at('kubeconfig'),
      TOWLINE_WEBHOOK_SECRET_FILE: files.at('webhook-secret'),
      TOWLINE_SOURCE_HOSTS: 'https://git.example.org',
      TOWLINE_REGISTRY: 'registry.example.org',
      TOWLINE_BUILDKIT_ADDRESS: 'unix:///nonexistent/buildkitd.sock',
      TOWLINE_MANIFEST_WRITER_URL: 'http://127.0.0.1:1',
    },
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

function push(): { body: string; headers: Record<string, string> } {
  const body = JSON.stringify({
    ...{ id: randomUUID(), scm: 'git', type: 'push', ref: 'refs/heads/main' },
    ...{ before: '0'.repeat(40), after: 'a'.repeat(40) },
    actor: { name: 'Alice', email: 'alice@example.org', login: 'alice' },
    repository: {
      ...{ id: 'git:alice/shop', name: 'shop', owner: 'alice', ownerId: 'git-alice', private: false },
      ...{ cloneUrl: 'https://git.example.org/alice/shop.git', defaultBranch: 'main' },
    },
  });
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
  return { body, headers: { 'content-type': 'application/json', 'x-towline-signature-256': signature } };
}

describe('the builder as a program', () => {
  it('ends with 2 without a registry, and for half of a GitHub App', async () => {
    await using at = await scene();
    const { TOWLINE_REGISTRY: _, ...without } = at.env;
    await using one = startProgramProcess(main, without, ['--check-config']);
    assert.equal(await one.ended, 2);
    assert.match(one.output(), /TOWLINE_REGISTRY/);

    await using two = startProgramProcess(main, { ...at.env, TOWLINE_GITHUB_APP_ID: '7' }, [
      '--check-config',
    ]);
    assert.equal(await two.ended, 2);
    assert.match(two.output(), /TOWLINE_GITHUB_APP_KEY_FILE .*go together/);
  });

  it('keeps a signed push while everything else is away, and still has it after a kill', async () => {
    await using at = await scene();
    await using first = startProgramProcess(main, at.env);
    const { port } = await first.listening;
    await first.ready();
    const url = `http://127.0.0.1:${port}/webhooks/git`;
    const { body, headers } = push();
    const forged = await fetch(url, { method: 'POST', body: `${body} `, headers });
    assert.equal(forged.status, 401);
    const accepted = await fetch(url, { method: 'POST', body, headers });
    assert.equal(accepted.status, 202, await accepted.text());
    await first.end('SIGKILL');

    await using second = startProgramProcess(main, at.env);
    await second.ready();
    const { internalPort } = await second.listening;
    await using builds = createHttpBuildService({
      url: `http://127.0.0.1:${internalPort}`,
      tokens: parseServiceTokens('t'.repeat(40)),
      logger,
    });
    let found = await builds.pushes({ owner: 'alice' });
    while (found.length === 0) found = await builds.pushes({ owner: 'alice' });
    assert.deepEqual(
      found.map(({ repo }) => repo),
      ['shop'],
    );
    assert.equal(await second.end('SIGTERM'), 0);
  });
});
