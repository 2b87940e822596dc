import { z } from 'zod';

/** What an installation accepts from `secrets.yml`; if nothing is said, all that is safe in a shared namespace. */
export const SecretRules = z.strictObject({
  /** `sops` needs a decryption key in the tenants' Kustomizations: without one, a single file stops a tenant's deploys. */
  kinds: z.array(z.enum(['sealed-secret', 'sops'])).default(['sealed-secret', 'sops']),
  /** In a namespace that tenants share, `namespace-wide` lets whoever sees the ciphertext use it under another name. */
  scopes: z.array(z.enum(['strict', 'namespace-wide'])).default(['strict']),
  /** Names of the platform's own secrets in the functions' namespace. */
  reservedNames: z.array(z.string()).default([]),
  maxPerRepository: z.int().min(0).default(100),
});
export type SecretRules = z.output<typeof SecretRules>;
export const defaultSecretRules: SecretRules = SecretRules.parse({});

/** Types that only hold data; others are acted upon by Kubernetes (a service account's token would be filled in). */
export const secretType = z.enum([
  'Opaque',
  'kubernetes.io/basic-auth',
  'kubernetes.io/ssh-auth',
  'kubernetes.io/tls',
]);

/** What a secret is called is decided before; this is the grammar of its keys. */
export const SecretKey = z
  .string()
  .regex(/^[-._a-zA-Z0-9]{1,253}$/, 'a key is letters, digits, "-", "_" and "."');
/** As tools write it when they mean nothing by it. */
export const NoTime = z.null().optional();

/** Where a checked secret goes. */
export interface SecretPlace {
  owner: string;
  ownerId: string;
  repo: string;
  namespace: string;
}

export type CheckedSecret = { name: string; text: string } | { problem: string; hint?: string };

/** The first mistake in words, with its path. */
export function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  const where = issue?.path.map(String).join('.') ?? '';
  return `${where === '' ? '' : `${where}: `}${issue?.message ?? 'it is not valid'}`.slice(0, 300);
}
