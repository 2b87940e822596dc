import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { type ClusterApi, ClusterError } from '../../../runtime/kubernetes/cluster-api.ts';
import { objectsOf, until } from './apply.ts';

interface Resource {
  name: string;
  kind: string;
  namespaced: boolean;
}

/** Applies objects just as they are written: the generated client would leave out what it doesn't know. */
export interface ServerSideApply {
  apply(objects: readonly KubernetesObject[]): Promise<void>;
  /** What the API server would say to it, with nothing kept. */
  dryRun(object: KubernetesObject): Promise<void>;
  /** Definitions, from every YAML file of the folders, until they are served. */
  define(dirs: readonly string[]): Promise<void>;
}

export function serverSideApply(api: ClusterApi): ServerSideApply {
  const known = new Map<string, Promise<{ resources: Resource[] }>>();

  async function pathOf({ apiVersion = '', kind = '', metadata = {} }: KubernetesObject): Promise<string> {
    const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const list = known.get(group) ?? api.request<{ resources: Resource[] }>(group);
    known.set(group, list);
    const { resources } = await list.catch((error: unknown) => {
      known.delete(group);
      throw error;
    });
    const found = resources.find((one) => one.kind === kind && !one.name.includes('/'));
    if (!found) throw new Error(`the API server has no ${kind} in ${apiVersion}`);
    if (found.namespaced && !metadata.namespace) throw new Error(`${kind} ${metadata.name} has no namespace`);
    const scope = found.namespaced ? `/namespaces/${metadata.namespace}` : '';
    return `${group}${scope}/${found.name}/${metadata.name}`;
  }

  async function send(object: KubernetesObject, dryRun: string | undefined): Promise<void> {
    const query = { fieldManager: 'test', force: true, fieldValidation: 'Strict', dryRun };
    const { kind, metadata } = object;
    await api
      .request(await pathOf(object), { method: 'PATCH', patch: 'apply', query, body: object })
      .catch((cause: unknown) => {
        throw new Error(`${kind} ${metadata?.namespace ?? ''}/${metadata?.name}: ${String(cause)}`, {
          cause,
        });
      });
  }

  async function apply(objects: readonly KubernetesObject[]): Promise<void> {
    for (const object of objects) await send(object, undefined);
  }

  return {
    apply,
    dryRun: (object) => send(object, 'All'),
    async define(dirs) {
      for (const dir of dirs) {
        for (const file of (await readdir(dir)).filter((name) => name.endsWith('.yaml'))) {
          const objects = objectsOf(await readFile(join(dir, file), 'utf8'));
          const definitions = objects.filter(({ kind }) => kind === 'CustomResourceDefinition');
          await apply(await missing(definitions));
          for (const one of definitions)
            await until(() => isServed(one), `${one.metadata?.name} to be served`);
        }
      }
    },
  };

  /** A definition that a given cluster has is not ours to change. */
  async function missing(definitions: readonly KubernetesObject[]): Promise<KubernetesObject[]> {
    const found: KubernetesObject[] = [];
    for (const one of definitions) {
      const isMissing = await api.request(await pathOf(one)).then(
        () => false,
        (error: unknown) => {
          if (error instanceof ClusterError && error.status === 404) return true;
          throw error;
        },
      );
      if (isMissing) found.push(one);
    }
    return found;
  }

  async function isServed(definition: KubernetesObject): Promise<boolean> {
    const { status } = await api.request<{ status?: { conditions?: { type: string; status: string }[] } }>(
      await pathOf(definition),
    );
    return status?.conditions?.some((one) => one.type === 'Established' && one.status === 'True') ?? false;
  }
}
