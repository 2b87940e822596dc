import { TowlineError } from '../../core/errors.ts';
import type { ForgeEvent, SourceEvent } from '../../core/source-event.ts';
import type { DeliveryOrigin } from '../deliveries/delivery-log.ts';
import type { KnownRepository } from '../source/source-access.ts';
import type { CustomerAccount, Customers } from './customers.ts';

/** Whose an event is: a customer's; of a stranger, by somebody we know; of strangers. */
export type Judgement = 'customer' | 'known' | 'stranger';

/** Whether what is deployed, on whatever way it came in, is a customer's. All of it throws `unavailable` as `Customers` does. */
export interface CustomerGate {
  judge(event: ForgeEvent): Judgement;
  /** The platform's own git host decides itself who may push there: all of its repositories are customers'. */
  isCustomers(known: KnownRepository): boolean;
  /**
   * Throws `forbidden` for what only customers get. Pushes by webhook were judged at the door, where strangers are told
   * nothing; what takes away is heard from everybody.
   */
  admit(event: SourceEvent, origin: DeliveryOrigin): void;
}

export interface CustomerGateDeps {
  customers: Customers;
  /** The login or path of a known owner as its forge writes it now. */
  ownerPath: (scm: 'github' | 'gitlab', ownerId: string) => string | undefined;
}

/** As the event or the delivery names it, which may be older than what the forge told since. */
export function namedOwnerPath({ path, owner }: SourceEvent['repository']): string {
  return path === undefined ? owner : path.slice(0, path.lastIndexOf('/'));
}

/** Gitea's numbers are told apart from those of the built-in host by this. */
const isOwnHosts = ({ scm, repository }: KnownRepository) =>
  scm === 'git' && !repository.ownerId.startsWith('gitea-');

export function createCustomerGate({ customers, ownerPath }: CustomerGateDeps): CustomerGate {
  function accountOf({ scm, repository }: KnownRepository): CustomerAccount {
    const known = scm === 'git' ? undefined : ownerPath(scm, repository.ownerId);
    return { scm, id: repository.ownerId, path: known ?? namedOwnerPath(repository) };
  }

  function isCustomers(known: KnownRepository): boolean {
    return isOwnHosts(known) || customers.isCustomer(accountOf(known));
  }

  /** An image is announced for an owner of the platform, whichever forge its CI belongs to. */
  function isAnnouncers({ repository }: SourceEvent): boolean {
    const { ownerId: id } = repository;
    const accounts = (['github', 'gitlab'] as const).flatMap((scm): CustomerAccount[] => {
      const path = ownerPath(scm, id);
      return path === undefined ? [] : [{ scm, id, path }];
    });
    return accounts.length === 0
      ? isCustomers({ scm: 'git', repository })
      : accounts.some((account) => customers.isCustomer(account));
  }

  return {
    judge({ scm, repository, actor }) {
      // What the event says is newer than what is known.
      const owner = { scm, id: repository.ownerId, path: namedOwnerPath(repository) };
      if (customers.isCustomer(owner)) return 'customer';
      return customers.isCustomer({ scm, id: undefined, path: actor.login }) ? 'known' : 'stranger';
    },
    isCustomers,
    admit(event, origin) {
      if (event.type === 'repository-deleted') return;
      if (event.type === 'push' && (origin === 'hook' || event.skipped !== undefined)) return;
      if (event.type === 'image' ? isAnnouncers(event) : isCustomers(event)) return;
      throw new TowlineError(
        'forbidden',
        `${namedOwnerPath(event.repository)} may not use this installation`.slice(0, 500),
      );
    },
  };
}
