import { defaultEnvironment, whyNotEnvironment } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import { whyNotOwner } from '../../core/names.ts';
import { fillTemplate } from '../installation/fill-template.ts';

export const gitOpsEngines = ['flux', 'argocd'] as const;
export type GitOpsEngine = (typeof gitOpsEngines)[number];

/** What applies a tenant's folder: where its file is, and where the template for it. */
export interface SetUpPlace {
  engine: GitOpsEngine;
  /** Of the environment: what is for another cluster than the installation's first has a folder of its own. */
  cluster: string;
  environment: string;
}

/** A folder's name, or empty. */
export const clusterPattern = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$/;

/** Of all that one cluster's engine reads, but the tenants' folders: empty, or ends in a slash. */
export function clusterFolder(cluster: string): string {
  if (!clusterPattern.test(cluster)) {
    throw new TowlineError('config_invalid', `the cluster ${JSON.stringify(cluster)} is not a DNS label`);
  }
  return cluster === '' ? '' : `clusters/${cluster}/`;
}

/** Beside the folders that are applied, so that it is not. */
export function templatePath({ engine, cluster, environment }: SetUpPlace): string {
  return `${clusterFolder(cluster)}${engine}/tenant-template/${environment}.yaml`;
}

export function setUpFolder({ engine, cluster }: SetUpPlace): string {
  return `${clusterFolder(cluster)}${engine}/tenants`;
}

/** No owner has a dot, so that no two tenants have one file. */
export function setUpPath(place: SetUpPlace, owner: string): string {
  const { environment } = place;
  const name = environment === defaultEnvironment ? owner : `${owner}.${environment}`;
  return `${setUpFolder(place)}/${name}.yaml`;
}

const setUpFile = /^flux\/tenants\/([^/.]+)(?:\.([^/.]+))?\.yaml$/;

/** Whose file in `flux/tenants/` of the installation's first cluster a path is; `undefined` for every other file. */
export function setUpOfPath(path: string): { owner: string; environment: string } | undefined {
  const [, owner = '', environment = defaultEnvironment] = setUpFile.exec(path) ?? [];
  if (whyNotOwner(owner) !== undefined || whyNotEnvironment(environment) !== undefined) return undefined;
  return { owner, environment };
}

/** The template for one owner: nothing but the owner's checked name gets into it. */
export function renderSetUp(template: string, owner: string, place: string): string {
  const problem = whyNotOwner(owner);
  if (problem !== undefined) throw new TowlineError('name_invalid', problem);
  return fillTemplate(template, { tenant: owner }, place);
}
