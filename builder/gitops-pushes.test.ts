import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { TowlineError } from '../core/errors.ts';
import { createClusterApi } from '../runtime/kubernetes/cluster-api.ts';
import { createLogger } from '../runtime/logger.ts';
import { openGitOpsPushes } from './gitops-pushes.ts';

const settings = {
  gitOpsUrl: 'https://git.example.org/acme/functions',
  gitOpsEngine: 'flux',
  delivery: 'published',
  gitOpsNamespace: undefined,
  gitOpsRepositoryObject: 'gitops',
} as const;
const logger = createLogger({ name: 'test', level: 'silent' });

/** Answers every write, and tells of each. */
async function startApi() {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    server.emit('asked', `${request.method} ${request.url}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const credentials = async () => ({ headers: {}, dispatcher: undefined });
  return {
    api: createClusterApi({ server: `http://127.0.0.1:${port}`, credentials }),
    asked: () => once(server, 'asked', { signal: AbortSignal.timeout(120_000) }),
    all: () => {
      const asked: string[] = [];
      server.on('asked', (line: string) => asked.push(line));
      return asked;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('what is pushed to the GitOps repository', () => {
  it('has the writer look, and Flux when it is another’s', async () => {
    await using server = await startApi();
    const looks: (string | undefined)[] = [];
    const look = async (commit?: string) => looks.push(commit) > 0;
    await using pushes = openGitOpsPushes(settings, { api: server.api, branch: { look }, logger });
    const asked = server.asked();
    pushes?.moved('one');
    const path = '/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/gitops';
    assert.deepEqual(await asked, [`PATCH ${path}`]);
    assert.deepEqual(looks, ['one']);
  });

  it('does not have Flux look for what the writer pushed', async () => {
    await using server = await startApi();
    const all = server.all();
    const looked = Promise.withResolvers<void>();
    const look = async () => {
      looked.resolve();
      return false;
    };
    {
      await using pushes = openGitOpsPushes(settings, { api: server.api, branch: { look }, logger });
      pushes?.moved('one');
      await looked.promise;
    }
    assert.deepEqual(all, []);
  });

  it('asks a writer that is away again, for the newest commit', async () => {
    await using server = await startApi();
    const looks: (string | undefined)[] = [];
    const look = async (commit?: string) => {
      looks.push(commit);
      if (looks.length < 3) throw new TowlineError('unavailable', 'the manifest-writer is away');
      return true;
    };
    await using pushes = openGitOpsPushes(settings, { api: server.api, branch: { look }, logger });
    const asked = server.asked();
    for (const commit of ['one', 'two', 'three']) pushes?.moved(commit);
    await asked;
    assert.equal(looks.at(-1), 'three');
    assert.ok(looks.length < 5);
  });

  it('is nothing to a builder that does not know the repository', async () => {
    await using server = await startApi();
    const branch = { look: () => assert.fail() };
    assert.equal(
      openGitOpsPushes({ ...settings, gitOpsUrl: undefined }, { api: server.api, branch, logger }),
      undefined,
    );
  });
});
