import { defaultEnvironment } from '../../core/environments.ts';
import { whyNotOwner } from '../../core/names.ts';
import { setUpObject, tenantObject } from '../../core/tenants.ts';
import { environmentFolder, folderOwner, tenantFolder } from '../paths.ts';
import { setUpFolder, setUpOfPath, setUpPath } from '../provisioning/set-up.ts';
import type { ManifestRepository } from '../repository/manifest-repository.ts';
import { packFile, packTenant, type TenantArchive } from './tenant-archive.ts';

/** `folder`: a tenant's functions. `set-up`: its namespace, its rights, and what applies the folder. */
export type PublishedPart = 'folder' | 'set-up';

/** What Flux gets as one artifact. */
export interface Publication {
  part: PublishedPart;
  owner: string;
  environment: string;
  /** Git's id of the folder or the file; `''` if there is none. */
  tree: string;
}

export interface PublicationsOptions {
  repository: Pick<ManifestRepository, 'list' | 'read'>;
  environments: readonly string[];
  /** Whether tenants' set-ups are handed over too. */
  setUps: boolean;
  /** Of a folder's artifact. */
  nameOf?: ((owner: string, environment: string) => string) | undefined;
  /** Told of a folder at a head that no owner can have. */
  onUnusable(folder: string, problem: string, head: string): void;
}

/** What of a GitOps repository is handed over, by the artifacts' names. */
export interface Publications {
  at(head: string): Promise<Map<string, Publication>>;
  /** The artifact that a file is in, if it is in one. */
  nameOfPath(path: string): string | undefined;
  pack(publication: Publication, head: string): Promise<TenantArchive>;
}

/** Of the cluster whose Flux is handed tenants: it is the installation's first. */
const place = (environment: string) => ({ engine: 'flux', cluster: '', environment }) as const;

export function createPublications(options: PublicationsOptions): Publications {
  const { repository, environments, setUps, onUnusable, nameOf = tenantObject } = options;

  async function folders(head: string, environment: string): Promise<[string, Publication][]> {
    const root = environmentFolder(environment);
    const entries = (await repository.list(head, root)).filter(({ type }) => type === 'folder');
    return entries.flatMap(({ name: owner, id: tree }) => {
      const problem = whyNotOwner(owner);
      if (problem !== undefined) onUnusable(`${root}/${owner}`, problem, head);
      return problem === undefined
        ? [[nameOf(owner, environment), { part: 'folder', owner, environment, tree }]]
        : [];
    });
  }

  async function setUpFiles(head: string): Promise<[string, Publication][]> {
    const root = setUpFolder(place(defaultEnvironment));
    return (await repository.list(head, root)).flatMap(({ name, id: tree }) => {
      const found = setUpOfPath(`${root}/${name}`);
      if (!found || !environments.includes(found.environment)) return [];
      return [[setUpObject(found.owner, found.environment), { part: 'set-up', ...found, tree }]];
    });
  }

  return {
    async at(head) {
      // A new tenant's folder waits for its set-up, so that goes first.
      const all = setUps ? await setUpFiles(head) : [];
      for (const environment of environments) all.push(...(await folders(head, environment)));
      return new Map(all);
    },
    nameOfPath(path) {
      const folder = folderOwner(path);
      if (folder) return nameOf(folder.owner, folder.environment);
      const setUp = setUps ? setUpOfPath(path) : undefined;
      return setUp && setUpObject(setUp.owner, setUp.environment);
    },
    pack({ part, owner, environment, tree }, head) {
      if (part === 'folder') return packTenant(repository, head, tenantFolder(owner, environment));
      return packFile(repository, setUpPath(place(environment), owner), tree);
    },
  };
}
