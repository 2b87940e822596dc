import type { CatalogEntry, FunctionStatus } from '../../core/catalog.ts';
import { stricterAccess } from '../../core/function-access.ts';
import type { FunctionAddress } from '../addressing/address.ts';
import type { OwnAnswer } from '../answers.ts';
import type { ExchangeContext, ExchangeParts } from './exchange-context.ts';

/** What can be done with a request for a function at this moment. */
export type Availability =
  | { kind: 'running'; entry: CatalogEntry }
  | { kind: 'asleep' }
  | { kind: 'away'; answer: OwnAnswer };

const retryAfterOf: Partial<Record<FunctionStatus, number>> = {
  Queued: 2,
  Building: 2,
  Deploying: 1,
  Degraded: 2,
  Asleep: 1,
  Failed: 10,
};

function unavailable(name: string, status: FunctionStatus, reason: string | null): OwnAnswer {
  return {
    status: 503,
    detail: `${name} is ${status}${reason === null || reason === '' ? '' : `: ${reason}`}`,
    retryAfter: retryAfterOf[status] ?? 5,
  };
}

/** Decided anew for each request and each retry, from the catalog as it is now. */
export function availability(
  { address, entered }: Pick<ExchangeParts, 'address' | 'entered'>,
  { catalog, pending: pendingDeploys }: Pick<ExchangeContext, 'catalog' | 'pending'>,
): Availability {
  const { owner, functionName } = address;
  const entry = catalog.lookup(owner, functionName);
  if (entry !== undefined) {
    if (!isAsOpen(entry, entered)) return { kind: 'away', answer: closedMeanwhile(address) };
    if (entry.targets.length > 0) return { kind: 'running', entry };
    if (entry.status === 'Asleep') return { kind: 'asleep' };
    return {
      kind: 'away',
      answer: unavailable(`${owner}/${functionName}`, entry.status, entry.publicReason),
    };
  }
  const pending = pendingDeploys.pending(owner, functionName);
  if (pending !== undefined) {
    return {
      kind: 'away',
      answer: unavailable(`${owner}/${functionName}`, pending.status, pending.publicReason),
    };
  }
  if (catalog.unseen?.(owner)?.isBlank) return { kind: 'away', answer: unknownYet(owner) };
  return { kind: 'away', answer: notFound(address, catalog.hasOwner(owner)) };
}

/** Whether who was let in by `entered` may still come in: while they waited, another version or owner may have come. */
function isAsOpen(entry: CatalogEntry, entered: CatalogEntry | undefined): boolean {
  if (entered === undefined) return entry.access === 'public';
  const isSame = stricterAccess(entered.access, entry.access) === entered.access;
  return isSame && (entry.access === 'public' || entry.ownerId === entered.ownerId);
}

function closedMeanwhile({ owner, functionName }: FunctionAddress): OwnAnswer {
  const detail = `who may use ${owner}/${functionName} has changed while the request waited`;
  return { status: 503, detail, hint: 'send it again', retryAfter: 1 };
}

/** Nobody may be told that it is not there, and remember that. */
function unknownYet(owner: string): OwnAnswer {
  return { status: 503, detail: `the functions of ${owner} cannot be seen at the moment`, retryAfter: 5 };
}

function notFound(address: FunctionAddress, ownerKnown: boolean): OwnAnswer {
  const { owner, functionName } = address;
  if (!ownerKnown)
    return { status: 404, detail: `no owner ${owner} here`, hint: 'check the name in the URL' };
  return {
    status: 404,
    detail: `${owner} has no function ${functionName}`,
    hint: `check the name in the URL, or push a repository whose stack.yml names ${functionName}`,
  };
}
