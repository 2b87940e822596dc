import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ClusterApi, createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { createLogger } from '../../runtime/logger.ts';
import { apply, applyDefinitions, clientOf } from '../../test/cluster/kubernetes/apply.ts';
import { startControlPlane } from '../../test/cluster/kubernetes/control-plane.ts';
import { toolCrds } from '../../test/cluster/tools.ts';
import { gitopsFixture, searchPath } from '../gitops-fixture.ts';
import { openGitRepository } from '../repository/manifest-repository-git.ts';
import { createTenantPublisher, type PublishingConfig } from './tenant-publisher.ts';

/** An ExternalArtifact, as far as tests look at it. */
export interface Artifact {
  metadata: { name: string; resourceVersion: string; labels: Record<string, string> };
  status: {
    artifact: { revision: string; digest: string; url: string; metadata: Record<string, string> };
    conditions: { type: string; status: string }[];
  };
}

interface Follower {
  metadata: { uid: string; labels: Record<string, string> };
  spec: { sourceRef: object; serviceAccountName: string; prune: boolean };
}

export const listen = { host: '127.0.0.1', port: 0 };

export interface PublishingPlane extends AsyncDisposable {
  api: ClusterApi;
  /** A repository, and a namespace of Flux's objects, of the test's own. */
  scene(t: TestContext): Promise<PublishingScene>;
}
export type PublishingScene = Awaited<ReturnType<typeof openScene>>;

/** For tests: an API server that knows Flux's objects, without Flux. */
export async function startPublishingPlane(): Promise<PublishingPlane> {
  const plane = await startControlPlane();
  const config = clientOf(await plane.kubeconfig());
  await applyDefinitions(config, await toolCrds('source-controller', 'kustomize-controller'));
  const api = createClusterApi(config);
  let namespaces = 0;
  return {
    api,
    async scene(t) {
      namespaces += 1;
      const namespace = `flux-${namespaces}`;
      await apply(config, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }]);
      return openScene(t, api, namespace);
    },
    [Symbol.asyncDispose]: () => plane[Symbol.asyncDispose](),
  };
}

async function openScene(t: TestContext, api: ClusterApi, namespace: string) {
  const fixture = await gitopsFixture(t);
  const person = await fixture.person();
  const path = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/externalartifacts`;
  let clones = 0;
  const writes: string[] = [];
  const told: { msg: string; path?: string; name?: string; problem?: string }[] = [];
  const logger = createLogger(
    { name: 'publisher', level: 'warn' },
    { write: (line) => void told.push(JSON.parse(line)) },
  );
  const kustomizations = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations`;
  const counting: ClusterApi = {
    ...api,
    request(asked, options) {
      if (options?.method !== undefined)
        writes.push(/(tenant|set-up)-[^/]+/.exec(asked)?.[0] ?? options.method);
      return api.request(asked, options);
    },
  };
  return {
    ...{ fixture, path, kustomizations, namespace, writes, told, person },
    async edit(files: Record<string, string | null>): Promise<string> {
      await person.git('pull', '--quiet', '--rebase');
      for (const [name, text] of Object.entries(files)) {
        await mkdir(join(person.path, name, '..'), { recursive: true });
        if (text === null) await rm(join(person.path, name));
        else await writeFile(join(person.path, name), text);
      }
      await person.git('add', '-A');
      await person.git('commit', '--quiet', '--allow-empty', '-m', 'change');
      await person.git('push', '--quiet', 'origin', 'HEAD');
      return (await person.git('rev-parse', 'HEAD')).trim();
    },
    artifact: (owner: string) => api.request<Artifact>(`${path}/tenant-${owner}`),
    setUp: (name: string) => api.request<Artifact>(`${path}/set-up-${name}`),
    follower: (name: string) => api.request<Follower>(`${kustomizations}/set-up-${name}`),
    async publisher(
      dir = 'artifacts',
      lookEveryMs = 3_600_000,
      environments = ['default'],
      setUps = false,
      more: Partial<PublishingConfig> = {},
    ) {
      clones += 1;
      const repository = await openGitRepository({
        ...{ remoteUrl: fixture.remote, clonePath: join(fixture.folder, `clone-${clones}.git`) },
        ...{ branch: 'main', searchPath, remoteTimeoutMs: 30_000, maxObjectBytes: 1_000_000 },
      });
      const made = await createTenantPublisher(
        {
          ...{ namespace, branch: 'main', dir: join(fixture.folder, dir) },
          ...{ listen, lookEveryMs, environments, setUps, ...more },
        },
        { api: counting, repository, logger },
      );
      let isOpen = true;
      const close = async () => {
        if (!isOpen) return;
        isOpen = false;
        await made[Symbol.asyncDispose]();
        await repository[Symbol.asyncDispose]();
      };
      t.after(close);
      return { ...made, close };
    },
  };
}
