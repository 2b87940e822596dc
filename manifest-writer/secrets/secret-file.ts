import { whyNotOwner } from '../../core/names.ts';
import { tenantFolder } from '../paths.ts';

/** No function has a dot in its name, so no function's manifest is called this. */
const ending = '.secret.yaml';
const secretName = /^[a-z0-9](?:[a-z0-9.-]{0,198}[a-z0-9])?$/;
const repositoryLine = /^# towline\.dev\/git-repo: ([A-Za-z0-9_][A-Za-z0-9._-]{0,99})\n/;

/** Why an owner cannot have a secret object of this name. */
export function whyNotSecretName(owner: string, name: string): string | undefined {
  if (!secretName.test(name) || name.includes('..')) {
    return `"${name.slice(0, 100)}" is no name for a secret: lower-case letters, digits, dots and inner hyphens`;
  }
  if (name.startsWith(`${owner}-`) && name.length > owner.length + 1) return undefined;
  return `the secret "${name}" must be called "${owner}-…", as all of this owner's secrets are`;
}

/** Only for checked names. */
export function secretPath(owner: string, name: string, environment?: string): string {
  return `${tenantFolder(owner, environment)}/${name}${ending}`;
}

/** The object's name, if the file in a tenant's folder is a secret's. */
export function secretOfFile(file: string): string | undefined {
  return file.endsWith(ending) ? file.slice(0, -ending.length) : undefined;
}

/** A comment says which repository a secret comes from: SOPS's checksum allows no field for it. */
export function withRepository(repo: string, text: string): string {
  return `# towline.dev/git-repo: ${repo}\n${text}`;
}

/** `null`: a person put the file there. */
export function repositoryOfSecret(text: string): string | null {
  return repositoryLine.exec(text)?.[1] ?? null;
}

/** Owners that could have a secret object of this name. */
export function possibleOwners(name: string): string[] {
  return [...name.matchAll(/-/g)]
    .map(({ index }) => name.slice(0, index))
    .filter((owner) => whyNotOwner(owner) === undefined && whyNotSecretName(owner, name) === undefined);
}
