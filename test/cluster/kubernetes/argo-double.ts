import { join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { gitEnvironment, gitOutput } from '../../../runtime/git.ts';
import {
  type ClusterApi,
  ClusterError,
  type ClusterObject,
} from '../../../runtime/kubernetes/cluster-api.ts';
import { createReflector } from '../../../runtime/kubernetes/reflector.ts';
import { runProcess } from '../../../runtime/run-process.ts';

const argo = {
  module: 'github.com/argoproj/argo-cd/v3@v3.5.1',
  sum: 'h1:jtwPLEFX9mNj3jSq88ugFcScGnOZVs2DWaXFuZxrRT8=',
};

/** Argo CD's own definitions, from its module. */
export async function argoDefinitions(): Promise<string> {
  const env = process.env as Record<string, string>;
  const args = ['mod', 'download', '-json', argo.module];
  const { stdout } = await runProcess({ command: 'go', args, cwd: '/', env, timeoutMs: 600_000 });
  const { Dir, Sum } = JSON.parse(stdout.toString()) as { Dir: string; Sum: string };
  if (Sum !== argo.sum) throw new Error(`${argo.module} is not what it was: ${Sum}`);
  return join(Dir, 'manifests/crds');
}

export interface ArgoOptions {
  /** Of the Applications. */
  namespace: string;
  /** The repository that all of them are of. */
  gitDir: string;
  searchPath: string;
}

interface Application extends ClusterObject {
  spec: { source: { path: string }; destination: { namespace: string } };
}

type Resource = ClusterObject & { kind: string; apiVersion: string };

const refresh = 'argocd.argoproj.io/refresh';
const tracking = 'argocd.argoproj.io/instance';
const plurals: Record<string, string> = {
  Function: '/apis/openfaas.com/v1/namespaces/NS/functions',
  ConfigMap: '/api/v1/namespaces/NS/configmaps',
};

/**
 * Stands in for Argo CD's application controller, whose status transitions it writes in their order: a refresh compares
 * with the branch's head, an automated sync runs as an operation that prunes, and a failed one keeps `OutOfSync`.
 */
export async function startArgoDouble(
  api: ClusterApi,
  { namespace, gitDir, searchPath }: ArgoOptions,
): Promise<AsyncDisposable> {
  const env = gitEnvironment(searchPath, { GIT_DIR: gitDir });
  const git = (...args: string[]) => gitOutput({ args, env });
  const path = `/apis/argoproj.io/v1alpha1/namespaces/${namespace}/applications`;
  let work = Promise.resolve();

  const write = (name: string, status: unknown) =>
    api.request(`${path}/${name}`, { method: 'PATCH', patch: 'merge', body: { status } });

  async function resourcesAt(head: string, folder: string): Promise<Resource[]> {
    const names = (await git('ls-tree', '--name-only', head, `${folder}/`)).split('\n').filter(Boolean);
    const texts = await Promise.all(names.map((name) => git('cat-file', 'blob', `${head}:${name}`)));
    return texts.map((text, index) => {
      try {
        return parse(text) as Resource;
      } catch (error) {
        throw new Error(`Failed to unmarshal "${names[index]}": ${error}`);
      }
    });
  }

  async function look({ metadata: { name }, spec }: Application): Promise<void> {
    const annotations = { [refresh]: null };
    await api.request(`${path}/${name}`, {
      method: 'PATCH',
      patch: 'merge',
      body: { metadata: { annotations } },
    });
    const head = (await git('rev-parse', 'main')).trim();
    const reconciledAt = new Date().toISOString();
    let resources: Resource[];
    try {
      resources = await resourcesAt(head, spec.source.path);
    } catch (error) {
      const message = `Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = ${error}`;
      await write(name, {
        conditions: [{ type: 'ComparisonError', message }],
        ...{ reconciledAt, sync: { status: 'Unknown' } },
      });
      return;
    }
    await write(name, { conditions: null, reconciledAt, sync: { status: 'OutOfSync', revision: head } });
    await sync(name, spec.destination.namespace, head, resources);
  }

  async function sync(name: string, target: string, head: string, resources: Resource[]): Promise<void> {
    const startedAt = new Date().toISOString();
    const operation = { operation: { sync: { revision: head, prune: true } }, startedAt };
    await write(name, { operationState: { ...operation, phase: 'Running', message: '', syncResult: null } });
    const results: { status: string; message: string; kind: string; name: string }[] = [];
    for (const isDryRun of [true, false]) {
      for (const resource of resources) results.push(await applyOne(resource, name, target, isDryRun));
      if (results.some(({ status }) => status === 'SyncFailed')) break;
    }
    const failed = results.find(({ status }) => status === 'SyncFailed');
    if (!failed) await prune(name, target, resources);
    const known = results.map((one) => ({ ...one, group: '', version: 'v1', namespace: target }));
    const finishedAt = new Date().toISOString();
    const outcome = failed
      ? { phase: 'Failed', message: `one or more synchronization tasks are not valid: ${failed.message}` }
      : { phase: 'Succeeded', message: 'successfully synced (all tasks run)' };
    await write(name, {
      sync: { status: failed ? 'OutOfSync' : 'Synced', revision: head },
      operationState: {
        ...operation,
        ...outcome,
        finishedAt,
        syncResult: { revision: head, resources: known },
      },
    });
  }

  async function applyOne(resource: Resource, application: string, target: string, isDryRun: boolean) {
    const { kind, metadata } = resource;
    const labels = { ...metadata.labels, [tracking]: application };
    const body = { ...resource, metadata: { ...metadata, namespace: target, labels } };
    const query = { fieldManager: 'argocd-controller', force: true, dryRun: isDryRun ? 'All' : undefined };
    const found = { kind, name: metadata.name };
    try {
      const at = `${(plurals[kind] ?? '').replace('NS', target)}/${metadata.name}`;
      await api.request(at, { method: 'PATCH', patch: 'apply', query, body });
      return { ...found, status: 'Synced', message: 'configured' };
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      return { ...found, status: 'SyncFailed', message: error.message };
    }
  }

  async function prune(application: string, target: string, resources: Resource[]): Promise<void> {
    const wanted = new Set(resources.map(({ kind, metadata }) => `${kind}/${metadata.name}`));
    for (const [kind, plural] of Object.entries(plurals)) {
      const at = plural.replace('NS', target);
      const query = { labelSelector: `${tracking}=${application}` };
      const { items } = await api.request<{ items: ClusterObject[] }>(at, { query });
      for (const { metadata } of items) {
        if (!wanted.has(`${kind}/${metadata.name}`))
          await api.request(`${at}/${metadata.name}`, { method: 'DELETE' });
      }
    }
  }

  const applications = createReflector<Application>({
    ...{ api, path, project: (object) => object as Application },
    onChange({ after }) {
      if (after?.metadata.annotations?.[refresh]) work = work.then(() => look(after));
    },
  });
  await applications.synced;
  return {
    async [Symbol.asyncDispose]() {
      await applications[Symbol.asyncDispose]();
      await work;
    },
  };
}

export function argoApplication(
  name: string,
  namespace: string,
  owner: string,
  target: string,
): KubernetesObject {
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: { name, namespace },
    spec: {
      project: 'default',
      source: { repoURL: 'https://git.test/gitops.git', path: `tenants/${owner}`, targetRevision: 'main' },
      destination: { server: 'https://kubernetes.default.svc', namespace: target },
      syncPolicy: { automated: { prune: true, selfHeal: true } },
    },
  } as KubernetesObject;
}
