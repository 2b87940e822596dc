import { defaultEnvironment } from '../../core/environments.ts';
import { type ClusterApi, ClusterError, type ClusterObject } from '../../runtime/kubernetes/cluster-api.ts';
import { createReflector } from '../../runtime/kubernetes/reflector.ts';
import type { PublishedPart } from './publications.ts';

/** What an ExternalArtifact says now. */
export interface PublishedArtifact {
  part: PublishedPart;
  owner: string;
  environment: string;
  version: string | undefined;
  digest: string | undefined;
  url: string | undefined;
  /** The repository's commit that it was made from, or was last found to be the same as. */
  commit: string | undefined;
  /** Git's id of the folder or file; `''` if there is none. */
  tree: string | undefined;
}

export interface ArtifactOffer {
  name: string;
  part: PublishedPart;
  owner: string;
  environment: string;
  branch: string;
  commit: string;
  tree: string;
  digest: string;
  url: string;
  path: string;
  size: number;
}

interface ArtifactObject extends ClusterObject {
  status?: { artifact?: { digest?: string; url?: string; metadata?: Record<string, string> } };
}

/** The platform's ExternalArtifacts in the namespace of Flux: only these, by their labels. */
export interface ExternalArtifacts extends AsyncDisposable {
  synced: Promise<void>;
  published: ReadonlyMap<string, PublishedArtifact>;
  /** `false`: somebody else has changed it since it was read, so it has to be looked at again. */
  offer(artifact: ArtifactOffer, signal: AbortSignal): Promise<boolean>;
}

/** The owner, of a folder's artifact. */
const tenantLabel = 'towline.dev/tenant';
/** The owner, of a set-up's. Not the folders' label: a writer that knows folders alone takes all that has it for one. */
export const setUpLabel = 'towline.dev/set-up';
export const environmentLabel = 'towline.dev/environment';
const originKey = 'org.opencontainers.image.revision';
const treeKey = 'towline.dev/tree';

export function createExternalArtifacts(
  api: ClusterApi,
  namespace: string,
  onChange: (name: string, artifact: PublishedArtifact | undefined) => void,
): ExternalArtifacts {
  const path = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/externalartifacts`;
  /** Newer than the watch may know yet: what our own writes answered. */
  const published = new Map<string, PublishedArtifact>();
  const reflectors = [`${tenantLabel},!${setUpLabel}`, setUpLabel].map((labelSelector) =>
    createReflector<PublishedArtifact>({
      ...{ api, path, labelSelector, project: publishedOf },
      onChange({ key, after }) {
        const name = key.slice(key.indexOf('/') + 1);
        if (after) published.set(name, after);
        else published.delete(name);
        onChange(name, after);
      },
    }),
  );

  async function create(
    { name, part, owner, environment }: ArtifactOffer,
    signal: AbortSignal,
  ): Promise<PublishedArtifact> {
    const labels = {
      [part === 'set-up' ? setUpLabel : tenantLabel]: owner,
      [environmentLabel]: environment,
    };
    const body = {
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'ExternalArtifact',
      metadata: { name, namespace, labels },
      spec: {},
    };
    return publishedOf(await api.request<ClusterObject>(path, { method: 'POST', body, signal }));
  }

  return {
    synced: Promise.all(reflectors.map(({ synced }) => synced)).then(() => {}),
    published,
    async offer(offer, signal) {
      try {
        const { version } = published.get(offer.name) ?? (await create(offer, signal));
        const body = { metadata: { resourceVersion: version }, status: statusOf(offer) };
        const patched = await api.request<ClusterObject>(`${path}/${offer.name}/status`, {
          ...{ method: 'PATCH', patch: 'merge', body, signal },
        });
        published.set(offer.name, publishedOf(patched));
        return true;
      } catch (error) {
        if (!(error instanceof ClusterError) || (error.status !== 409 && error.status !== 404)) throw error;
        return false;
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(reflectors.map((reflector) => reflector[Symbol.asyncDispose]()));
    },
  };
}

function publishedOf(object: ClusterObject): PublishedArtifact {
  const { artifact } = (object as ArtifactObject).status ?? {};
  const { labels = {} } = object.metadata;
  const setUpOwner = labels[setUpLabel];
  return {
    part: setUpOwner === undefined ? 'folder' : 'set-up',
    owner: setUpOwner ?? labels[tenantLabel] ?? '',
    environment: labels[environmentLabel] ?? defaultEnvironment,
    version: object.metadata.resourceVersion,
    digest: artifact?.digest,
    url: artifact?.url,
    commit: /@sha1:([0-9a-f]{40})$/.exec(artifact?.metadata?.[originKey] ?? '')?.[1],
    tree: artifact?.metadata?.[treeKey],
  };
}

/** Flux takes up what has another revision; the same archive of a newer commit changes nothing for it. */
function statusOf({ digest, url, path, size, branch, commit, tree }: ArtifactOffer) {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const revision = `latest@${digest}`;
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: 'Succeeded',
    message: `stored artifact ${revision}`,
  };
  return {
    artifact: {
      ...{ url, path, digest, revision, size, lastUpdateTime: now },
      metadata: { [originKey]: `${branch}@sha1:${commit}`, [treeKey]: tree },
    },
    conditions: [{ ...ready, lastTransitionTime: now }],
  };
}
