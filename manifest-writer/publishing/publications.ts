import { defaultEnvironment } from '../../core/environments.ts';
import { whyNotOwner } from '../../core/names.ts';
import { setUpObject, tenantObject } from '../../core/tenants.ts';
import { environmentFolder, folderOwner, tenantFolder } from '../paths.ts';
import { setUpFolder, setUpOfPath, setUpPath } from '../provisioning/set-up.ts';
import type { ManifestRepository } from '../repository/manifest-repository.ts';
import { isCommand, packFile, packTenant, type TenantArchive } from './tenant-archive.ts';

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
}

/** A file or folder that lies where tenants' are, and is handed over to nobody. */
export interface Unused {
  path: string;
  problem: string;
}

/** What of a GitOps repository is handed over, by the artifacts' names. */
export interface Publications {
  at(head: string): Promise<{ found: Map<string, Publication>; unused: Unused[] }>;
  /** The artifact that a file is in, if it is in one. */
  nameOfPath(path: string): string | undefined;
  pack(publication: Publication, head: string): Promise<TenantArchive>;
}

/** Of the cluster whose Flux is handed tenants: it is the installation's first. */
const place = (environment: string) => ({ engine: 'flux', cluster: '', environment }) as const;

export function setUpFileOf({ owner, environment }: Pick<Publication, 'owner' | 'environment'>): string {
  return setUpPath(place(environment), owner);
}

export function createPublications(options: PublicationsOptions): Publications {
  const { repository, environments, setUps, nameOf = tenantObject } = options;

  async function addFolders(head: string, environment: string, found: Map<string, Publication>) {
    const root = environmentFolder(environment);
    const unused: Unused[] = [];
    for (const { name: owner, type, id: tree } of await repository.list(head, root)) {
      if (type !== 'folder') continue;
      const problem = whyNotOwner(owner);
      if (problem === undefined)
        found.set(nameOf(owner, environment), { part: 'folder', owner, environment, tree });
      else unused.push({ path: `${root}/${owner}`, problem });
    }
    return unused;
  }

  async function addSetUps(head: string, folder: string, found: Map<string, Publication>) {
    const unused: Unused[] = [];
    for (const { name, type, id: tree } of await repository.list(head, folder)) {
      const path = `${folder}/${name}`;
      if (type === 'folder') {
        unused.push(...(await addSetUps(head, path, found)));
        continue;
      }
      if (name === 'README.md' || name === '.gitkeep') continue;
      const of = setUpOfPath(path);
      const problem = whyNotSetUp(name, path, of?.environment);
      if (of === undefined || problem !== undefined)
        unused.push({ path, problem: problem ?? 'it is no set-up' });
      else found.set(setUpObject(of.owner, of.environment), { part: 'set-up', ...of, tree });
    }
    return unused;
  }

  function whyNotSetUp(name: string, path: string, environment: string | undefined): string | undefined {
    if (!path.startsWith(`${setUpRoot}/`) || path.slice(setUpRoot.length + 1) !== name)
      return `only files directly in ${setUpRoot} are set-ups`;
    if (isCommand(name)) return 'a set-up is applied as it is, without kustomize';
    if (environment === undefined)
      return 'its name is not <owner>.yaml or <owner>.<environment>.yaml of a possible owner';
    if (!environments.includes(environment))
      return `the environment "${environment}" is none of this cluster's`;
    return undefined;
  }

  return {
    async at(head) {
      const found = new Map<string, Publication>();
      // A new tenant's folder waits for its set-up, so that goes first.
      const unused = setUps ? await addSetUps(head, setUpRoot, found) : [];
      for (const environment of environments) unused.push(...(await addFolders(head, environment, found)));
      return { found, unused };
    },
    nameOfPath(path) {
      const folder = folderOwner(path);
      if (folder) return nameOf(folder.owner, folder.environment);
      const setUp = setUps ? setUpOfPath(path) : undefined;
      return setUp && setUpObject(setUp.owner, setUp.environment);
    },
    pack(publication, head) {
      const { part, owner, environment, tree } = publication;
      if (part === 'folder') return packTenant(repository, head, tenantFolder(owner, environment));
      return packFile(repository, setUpFileOf(publication), tree);
    },
  };
}

const setUpRoot = setUpFolder(place(defaultEnvironment));
