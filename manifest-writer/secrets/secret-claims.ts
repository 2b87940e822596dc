import type { BranchView } from '../planning/branch-view.ts';
import { possibleOwners, repositoryOfSecret, secretPath } from './secret-file.ts';

/** Why this owner cannot use the secret object's name: it is another tenant's. Never says whose. */
export async function whySecretTaken(
  view: Pick<BranchView, 'text'>,
  owner: string,
  name: string,
  environment?: string,
): Promise<string | undefined> {
  for (const other of possibleOwners(name)) {
    if (other !== owner && (await view.text(secretPath(other, name, environment))) !== null) {
      return `the name "${name}" is already taken in this installation; rename the secret`;
    }
  }
  return undefined;
}

/** Why another repository of the same owner may not write this secret. */
export function whyOtherSource(text: string | null, name: string, repo: string): string | undefined {
  if (text === null) return undefined;
  const other = repositoryOfSecret(text);
  if (other === repo) return undefined;
  const whose =
    other === null ? 'by a person, directly in the GitOps repository' : `from the repository "${other}"`;
  return `the secret "${name}" was put there ${whose}; rename it in one of the two`;
}
