import { tenantNamespace } from '../../core/tenants.ts';

/** Functions of a tenant. */
export const perTenant = 50;

export const ownerOf = (index: number) => `owner-${Math.floor(index / perTenant)}`;
export const functionNameOf = (index: number) => `fn-${index % perTenant}`;
export const objectOf = (index: number) => `${ownerOf(index)}-${functionNameOf(index)}`;
export const namespaceOf = (index: number) => tenantNamespace(ownerOf(index));

export function imageOf(index: number, version: number): string {
  const digest = (index * 1_000 + version).toString(16).padStart(64, '0');
  return `registry.example.org/${ownerOf(index)}/greetings-${functionNameOf(index)}:latest-main-1111111@sha256:${digest}`;
}
