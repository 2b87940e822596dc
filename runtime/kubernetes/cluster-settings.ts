import { resolve } from 'node:path';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { booleanSetting, type Settings } from '../config.ts';
import { type ClusterAccess, kubeconfigAccess, serviceAccountAccess } from './cluster-access.ts';
import { type ClusterApi, createClusterApi } from './cluster-api.ts';

export const kubeconfigSetting = {
  kubeconfig: {
    env: 'TOWLINE_KUBECONFIG',
    schema: z
      .string()
      .min(1)
      .optional()
      .transform((path) => path && resolve(path)),
    defaultText: "the pod's service account",
    description: 'File that says where the API server is, and as whom it is asked.',
  },
} satisfies Settings;

/** How the functions of owners that have a namespace each are followed: docs/adr/0018. */
export const followedNamespaces = ['tenants', 'all'] as const;
export type FollowedNamespaces = (typeof followedNamespaces)[number];

/** Of programs that follow functions in the cluster. */
export const clusterSettings = {
  ...kubeconfigSetting,
  namespacePerTenant: {
    env: 'TOWLINE_NAMESPACE_PER_TENANT',
    schema: booleanSetting(true),
    defaultText: '`true`',
    description:
      'Whether each owner’s functions are in a namespace of its own, `tenant-<owner>`, as the template sets it up for Flux; `false`: one namespace for all of an environment, as with Argo CD.',
  },
  followedNamespaces: {
    env: 'TOWLINE_FOLLOWED_NAMESPACES',
    schema: z.enum(followedNamespaces).default('tenants'),
    defaultText: '`tenants`',
    description:
      'With a namespace for each owner: `tenants` follows each of them by itself, with the rights that the owner’s set-up gives there; `all` follows the whole cluster in one go, which costs less from about a thousand owners on, and needs the right to read Deployments and Pods of every namespace.',
  },
  functionAddress: {
    env: 'TOWLINE_FUNCTION_ADDRESS',
    schema: z
      .string()
      .refine(
        (text) => text.includes('{name}') && originFrom(text, { name: 'a', namespace: 'b' }) !== undefined,
        'must be an origin with {name}, as http://{name}.{namespace}.svc:8080',
      )
      .optional(),
    defaultText: '`http://{name}.{namespace}.svc:8080`; with Knative what its Service says',
    description: 'Where the requests of a function are sent: an origin with `{name}` and `{namespace}`.',
  },
} satisfies Settings;

function originFrom(
  template: string,
  { name, namespace }: { name: string; namespace: string },
): string | undefined {
  const text = template.replaceAll('{name}', name).replaceAll('{namespace}', namespace);
  if (!URL.canParse(text)) return undefined;
  const { origin, protocol } = new URL(text);
  return protocol === 'http:' && text === origin ? origin : undefined;
}

/** `undefined`: as the catalog does without being told. */
export function serviceOriginOf(template: string | undefined) {
  if (template === undefined) return undefined;
  return (object: { name: string; namespace: string }) => originFrom(template, object) ?? '';
}

/** Throws `config_invalid`. Nothing is asked yet. */
export async function connectCluster(kubeconfig: string | undefined): Promise<ClusterApi> {
  try {
    return createClusterApi(
      kubeconfig === undefined ? serviceAccountAccess() : await openKubeconfig(kubeconfig),
    );
  } catch (cause) {
    const what =
      kubeconfig === undefined
        ? 'this is no pod with a service account, and TOWLINE_KUBECONFIG names no file'
        : `${kubeconfig} cannot be used as a kubeconfig`;
    throw new TowlineError('config_invalid', what, { cause });
  }
}

async function openKubeconfig(path: string): Promise<ClusterAccess> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromFile(path);
  return kubeconfigAccess(config);
}
