import type { ClusterApi, ClusterObject } from '../../runtime/kubernetes/cluster-api.ts';
import type { Logger } from '../../runtime/logger.ts';
import { environmentLabel, setUpLabel } from './external-artifacts.ts';

/** The account as which Flux applies set-ups, and which may make nothing else: the template's `flux/system/`. */
const setUpAccount = 'tenants';

export interface SetUpKustomization {
  /** Of the artifact, too. */
  name: string;
  owner: string;
  environment: string;
}

/** Makes what applies a set-up's artifact, or puts it right. */
export async function followSetUp(
  api: ClusterApi,
  namespace: string,
  { name, owner, environment }: SetUpKustomization,
  signal: AbortSignal,
): Promise<ClusterObject> {
  const path = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations/${name}`;
  const labels = { [setUpLabel]: owner, [environmentLabel]: environment };
  const body = {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name, namespace, labels },
    spec: {
      sourceRef: { kind: 'ExternalArtifact', name },
      path: './',
      serviceAccountName: setUpAccount,
      prune: true,
      // Who deletes it by mistake keeps the tenant.
      deletionPolicy: 'Orphan',
      interval: '1h',
      retryInterval: '15s',
      timeout: '2m',
      wait: false,
    },
  };
  const query = { fieldManager: 'towline', force: true };
  return await api.request<ClusterObject>(path, { method: 'PATCH', patch: 'apply', query, body, signal });
}

export interface SetUpFollowersOptions {
  api: ClusterApi;
  namespace: string;
  logger: Logger;
  signal: AbortSignal;
  /** Milliseconds after which a Kustomization is put right again. */
  everyMs: number;
  now?: (() => number) | undefined;
}

/** The Kustomizations of the set-ups, which the writer has no right to look at: it applies them again now and then. */
export interface SetUpFollowers {
  follow(setUp: SetUpKustomization): Promise<void>;
  /** Nothing is left in it to apply: it is not made again if somebody deletes it. */
  forget(name: string): void;
  /** Those that were not put right for long; a bounded number at a time, and never throws. */
  renew(): Promise<void>;
}

interface Followed extends SetUpKustomization {
  at: number;
  uid: string | undefined;
  generation: number | undefined;
}

/** Each is a request that waits in nobody's way: a deploy comes after it. */
const maxRenewed = 50;

export function createSetUpFollowers(options: SetUpFollowersOptions): SetUpFollowers {
  const { api, namespace, logger, signal, everyMs, now = Date.now } = options;
  /** Put right longest ago first. */
  const followed = new Map<string, Followed>();

  async function follow({ name, owner, environment }: SetUpKustomization): Promise<void> {
    const setUp = { name, owner, environment };
    const { metadata } = await followSetUp(api, namespace, setUp, signal);
    const { uid, generation } = metadata;
    const before = followed.get(name);
    if (before && before.uid !== uid)
      logger.warn(setUp, 'the Kustomization of a set-up was gone: it is made again');
    else if (before && before.generation !== generation)
      logger.warn(setUp, 'the Kustomization of a set-up was changed: it is put right');
    followed.delete(name);
    followed.set(name, { ...setUp, at: now(), uid, generation });
  }

  return {
    follow,
    forget: (name) => void followed.delete(name),
    async renew() {
      const due = [...followed.values()].filter(({ at }) => now() - at >= everyMs);
      try {
        for (const setUp of due.slice(0, maxRenewed)) await follow(setUp);
      } catch (err) {
        if (!signal.aborted) logger.warn({ err }, 'what applies set-ups could not be put right');
      }
    },
  };
}
