import { defaultEnvironment } from '../../core/environments.ts';
import type { Trailers } from '../message/commit-message.ts';
import { isFunction, manifestPath } from '../paths.ts';
import { createPolicy, type Policy } from '../policy/policy.ts';
import { type Decision, type PlannedIntent, type PlanningContext, refused, refusedPlan } from './decision.ts';

/** One environment's rules: what it doesn't say, the installation does. */
export interface Placement {
  environment: string;
  policy: Policy;
  namespace: string;
}

/** One function in one environment. */
export interface FunctionPlacement extends Placement {
  path: string;
  /** For people: with the environment, unless it is the default one. */
  name: string;
}

const permissive = createPolicy();

/** `undefined`: there is no such environment. */
export function placementOf(
  environment: string = defaultEnvironment,
  { environments, policy = permissive, namespace }: PlanningContext,
): Placement | undefined {
  const place = environments?.get(environment);
  if (environment !== defaultEnvironment && !place) return undefined;
  return { environment, policy: place?.policy ?? policy, namespace: place?.namespace ?? namespace };
}

/** Where a function's manifest lies and by which rules, or the plan that says why it has no place. */
export function locate(
  asked: { owner: string; functionName: string; environment?: string | undefined },
  context: PlanningContext,
): { place: FunctionPlacement; refusal?: never } | { place?: never; refusal: PlannedIntent } {
  const { owner, functionName, environment = defaultEnvironment } = asked;
  if (!isFunction(owner, functionName)) {
    return { refusal: refusedPlan('not_found', `there is no function "${owner}/${functionName}"`) };
  }
  const placement = placementOf(environment, context);
  if (!placement) return { refusal: noEnvironment(environment, context) };
  const where = environment === defaultEnvironment ? '' : ` in ${environment}`;
  const path = manifestPath(owner, functionName, environment);
  return { place: { ...placement, path, name: `${owner}/${functionName}${where}` } };
}

export function noEnvironment(name: string, context: PlanningContext): PlannedIntent {
  return refusedPlan('not_found', whyNoEnvironment(name, context));
}

export function whyNoEnvironment(name: string, { environments }: PlanningContext): string {
  const known = (environments?.names ?? [defaultEnvironment]).join(', ');
  return `there is no environment "${name}"; there is ${known}`;
}

/** Fails closed: what cannot be read may be held. */
export function refusedUnreadable({ name }: FunctionPlacement): Decision {
  const what = `the manifest of ${name} in the GitOps repository cannot be read, so it may be held`;
  return refused('manifest_refused', `${what}; mend it there, or roll back to a deploy ("towline rollback")`);
}

/** Only where it isn't the default one. */
export function environmentTrailer(environment: string): Trailers {
  return environment === defaultEnvironment ? {} : { 'Towline-Environment': environment };
}
