import { z } from 'zod';
import { fromYaml, toYaml } from './yaml-text.ts';

const Tenant = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('ConfigMap'),
  data: z.object({ owner: z.string(), ownerId: z.string(), closed: z.string().optional() }),
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

/** Why an operator closed the tenant, in its sentinel's text; `undefined` if nobody did. */
export function whyTenantClosed(text: string | null): string | undefined {
  return text === null ? undefined : Tenant.safeParse(fromYaml(text)).data?.data.closed;
}

/** A sentinel that says that its tenant gets nothing any more. Throws if the text is no sentinel. */
export function closedTenant(text: string, reason: string): string {
  const tenant = Tenant.loose().parse(fromYaml(text));
  return toYaml({ ...tenant, data: { ...tenant.data, closed: reason.toWellFormed() } });
}
