import { z } from 'zod';
import { fromYaml, toYaml } from './yaml-text.ts';

const Tenant = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('ConfigMap'),
  data: z.object({ owner: z.string(), ownerId: z.string() }),
});

/**
 * The sentinel of a tenant's folder: a harmless object that keeps the path alive, so that the last function's
 * deletion is still pruned, and that says which owner id the folder belongs to.
 */
export function renderTenant(tenant: { owner: string; ownerId: string; namespace: string }): string {
  return toYaml({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: `towline-tenant-${tenant.owner}`,
      namespace: tenant.namespace,
      labels: { 'towline.dev/tenant': tenant.owner },
    },
    data: { owner: tenant.owner, ownerId: tenant.ownerId.toWellFormed() },
  });
}

/** The owner id in a sentinel's text; `undefined` if it cannot be read. */
export function tenantOwnerId(text: string): string | undefined {
  return Tenant.safeParse(fromYaml(text)).data?.data.ownerId;
}
