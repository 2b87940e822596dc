import type { InstallationEvent, RebuildRequest } from '../../core/forge-events.ts';
import type { ForgeEvent, PushEvent } from '../../core/source-event.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type CustomerGate, namedOwnerPath } from '../customers/customer-gate.ts';
import type { Customers } from '../customers/customers.ts';
import type { AppendResult } from '../deliveries/delivery-log.ts';
import type { GitLabArrival } from './gitlab-arrival.ts';
import type { GitOpsRepository } from './gitops-repository.ts';
import type { Outcome } from './translation.ts';

/** Who acts on what webhooks tell. Each is durable when it returns or resolves, and may be told the same again. */
export interface IntakeTargets {
  accept: (event: ForgeEvent) => AppendResult | Promise<AppendResult>;
  installation: (event: InstallationEvent) => void | Promise<void>;
  rebuild: (request: RebuildRequest) => void | Promise<void>;
  /** Not kept: whoever looks at the branch by itself sees it later. */
  gitOps?: GitOpsRepository | undefined;
}

export interface IntakeDeps extends IntakeTargets {
  arrive: (arrival: GitLabArrival) => Promise<void>;
  customers: Customers;
  gate: Pick<CustomerGate, 'judge'>;
  /** Somebody who is no customer, by the login or path of the account; as often as strangers like. */
  onStranger: (account: string) => void;
  logger: Logger;
}

export type Taken =
  /** `skipped`: why nothing is deployed of it. */
  | { type: 'accepted'; id: string; skipped?: string | undefined }
  | { type: 'duplicate'; id: string }
  /** Nothing came of it; `reason` is for the log. */
  | { type: 'ignored'; reason: string };

export interface Intake {
  /** Of a forge that anybody may have an account at. */
  take(outcome: Outcome): Promise<Taken>;
  /** Of the platform's own git host, and of scripts that hold its secret: who may push there is decided there. */
  takeOwn(outcome: Outcome): Promise<Taken>;
}

/** Events that only take away are always heard: who is no customer any more may still leave. */
function bringsSomething(event: InstallationEvent): boolean {
  if (event.type === 'installation') return event.change === 'created' || event.change === 'unsuspended';
  return event.type === 'repositories' && event.change === 'added';
}

/** Hands each outcome to whom it concerns, if its account is a customer's. */
export function createIntake(deps: IntakeDeps): Intake {
  let strangers = 0;

  /** Of strangers nothing is kept but their number, told now and then. */
  function countStranger(account: string): Taken {
    strangers += 1;
    deps.onStranger(account);
    if (Number.isInteger(Math.log10(strangers))) {
      deps.logger.warn({ strangers }, 'webhooks of accounts that are no customers were ignored');
    }
    return { type: 'ignored', reason: 'no customer' };
  }

  async function accept(event: ForgeEvent): Promise<Taken> {
    const result = await deps.accept(event);
    if (result.type === 'duplicate') return { type: 'duplicate', id: result.id };
    const { event: kept } = result.delivery;
    return { type: 'accepted', id: kept.id, skipped: kept.type === 'push' ? kept.skipped : undefined };
  }

  function takePush(event: PushEvent): Promise<Taken> | Taken {
    const judgement = deps.gate.judge(event);
    if (judgement === 'customer') return accept(event);
    if (judgement === 'stranger') return countStranger(namedOwnerPath(event.repository));
    // Somebody we know pushed to a place that we don't serve: they are told why nothing happens.
    const skipped = `${namedOwnerPath(event.repository)} may not use this installation`.slice(0, 500);
    return accept({ ...event, skipped });
  }

  function isCustomers({ event, owner }: Extract<Outcome, { type: 'installation' }>): boolean {
    if (!bringsSomething(event)) return true;
    if (owner) return deps.customers.isCustomer({ scm: event.scm, ...owner });
    const account = 'installation' in event ? event.installation?.account : undefined;
    // Nobody who can't be named is a customer.
    return account !== undefined && deps.customers.isCustomer({ scm: event.scm, ...account });
  }

  function accountOf({ event, owner }: Extract<Outcome, { type: 'installation' }>): string {
    const account = 'installation' in event ? event.installation?.account : undefined;
    return owner?.path ?? account?.path ?? 'nobody that can be named';
  }

  async function takeInstallation(told: Extract<Outcome, { type: 'installation' }>): Promise<Taken> {
    if (!isCustomers(told)) return countStranger(accountOf(told));
    await deps.installation(told.event);
    return { type: 'accepted', id: told.event.id };
  }

  async function take(outcome: Outcome): Promise<Taken> {
    if (outcome.type === 'none') return { type: 'ignored', reason: outcome.reason };
    if (outcome.type === 'arrival') {
      await deps.arrive(outcome.arrival);
      return { type: 'accepted', id: outcome.arrival.id };
    }
    if (outcome.type === 'gitops') {
      deps.gitOps?.moved(outcome.commit);
      return { type: 'accepted', id: outcome.id };
    }
    if (outcome.type === 'installation') return takeInstallation(outcome);
    if (outcome.type === 'rebuild') {
      await deps.rebuild(outcome.request);
      return { type: 'accepted', id: outcome.request.id };
    }
    const { event } = outcome;
    return event.type === 'push' ? takePush(event) : accept(event);
  }

  return {
    take,
    takeOwn: (outcome) => (outcome.type === 'source' ? accept(outcome.event) : take(outcome)),
  };
}
