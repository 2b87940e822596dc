import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import {
  KubeConfig,
  type KubernetesObject,
  KubernetesObjectApi,
  PatchStrategy,
} from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';

/** A client by a kubeconfig file. */
export function clientOf(kubeconfig: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return config;
}

/** Objects of YAML text; empty documents are left out. */
export function objectsOf(text: string): KubernetesObject[] {
  const documents = parseAllDocuments(text);
  return documents.map((one) => one.toJS() as KubernetesObject | null).filter((one) => one !== null);
}

/** Server-side applies them in order, as `kubectl apply --server-side` does. */
export async function apply(config: KubeConfig, objects: KubernetesObject[]): Promise<void> {
  const api = KubernetesObjectApi.makeApiClient(config);
  for (const object of objects) {
    // A definition that a given cluster has is not ours to change.
    if (object.kind === 'CustomResourceDefinition' && (await isThere(api, object))) continue;
    await api.patch(object, undefined, undefined, 'test', true, PatchStrategy.ServerSideApply);
  }
}

function isThere(api: KubernetesObjectApi, { apiVersion = '', kind = '', metadata }: KubernetesObject) {
  return api.read({ apiVersion, kind, metadata: { name: metadata?.name ?? '' } }).then(
    () => true,
    (error: unknown) => {
      if ((error as { code?: number }).code === 404) return false;
      throw error;
    },
  );
}

/** Applies every definition of some folders and waits until the API server serves them. */
export async function applyDefinitions(config: KubeConfig, dirs: string[]): Promise<void> {
  const api = KubernetesObjectApi.makeApiClient(config);
  const definitions: KubernetesObject[] = [];
  for (const dir of dirs) {
    const files = (await readdir(dir)).filter(
      (name) => name.endsWith('.yaml') && name !== 'kustomization.yaml',
    );
    for (const file of files) definitions.push(...objectsOf(await readFile(join(dir, file), 'utf8')));
  }
  await apply(config, definitions);
  for (const { apiVersion = '', kind = '', metadata } of definitions) {
    await until(async () => {
      const found = await api.read({ apiVersion, kind, metadata: { name: metadata?.name ?? '' } });
      const { conditions = [] } = (found as Definition).status ?? {};
      return conditions.some((one) => one.type === 'Established' && one.status === 'True');
    });
  }
}

interface Definition {
  status?: { conditions?: { type: string; status: string }[] };
}

/** Resolves once the condition holds; rejects with the last error after a minute, so that a test never hangs. */
export async function until(
  condition: () => Promise<boolean>,
  what = 'the condition',
  timeoutMs = 60_000,
): Promise<void> {
  const start = performance.now();
  for (;;) {
    let last: unknown;
    try {
      if (await condition()) return;
    } catch (error) {
      last = error;
    }
    const passed = performance.now() - start;
    if (passed > timeoutMs) throw new Error(`${what} did not come true in time`, { cause: last });
    // Who asks takes the processor from whom it waits for.
    await wait(Math.min(25 + passed / 10, 250));
  }
}
