import type { CatalogEntry, FunctionStatus } from '../../core/catalog.ts';
import type { DeployCause } from '../../core/deploy.ts';
import { formatPlace } from '../../core/errors.ts';
import { stricterAccess } from '../../core/function-access.ts';
import { shortVersion } from './desired-function.ts';
import type { FunctionState } from './function-state.ts';
import type { Runner } from './runner.ts';

interface Verdict {
  status: FunctionStatus;
  reason: string | null;
  publicReason: string | null;
}

/** One trouble in two tellings: for its owner, and for anyone who visits. */
interface Trouble {
  reason: string;
  publicReason: string;
}

/** The catalog's view of a function. Where it came from is told of what serves, else of what is asked for. */
export function catalogEntry(state: FunctionState): CatalogEntry {
  const instance = state.current?.instance;
  const served = instance === undefined ? state.asleep : state.current?.version;
  const shown = served ?? state.desired ?? state.current?.version;
  return {
    owner: state.owner,
    ownerId: state.ownerId,
    functionName: state.functionName,
    ...verdict(state),
    hold: state.desired?.hold ?? null,
    access: stricterAccess(state.desired?.access ?? 'public', shown?.access ?? 'owner'),
    image: served?.image ?? null,
    desiredImage: state.desired?.image ?? shown?.image ?? '',
    repo: shown?.repo ?? '',
    branch: shown?.branch ?? '',
    sourceCommit: shown?.sourceCommit ?? '',
    targets: instance === undefined ? [] : [{ origin: instance.origin }],
    restarts: state.current?.restarts ?? 0,
    since: state.current?.readyAt ?? null,
  };
}

function verdict(state: FunctionState): Verdict {
  if (state.isDeleting) return untroubled('Deleting');
  if (state.current?.instance !== undefined) return servingVerdict(state);
  if (state.current?.failure !== undefined) return crashVerdict(state.current, state.current.failure, state);
  if (state.asleep !== undefined) return untroubled('Asleep');
  const cause = state.problem ?? state.candidate?.failure;
  if (cause === undefined) return untroubled('Deploying');
  const trouble = { reason: describe(cause), publicReason: publicWords(cause) };
  return { status: state.current === undefined ? 'Failed' : 'Deploying', ...trouble };
}

function untroubled(status: FunctionStatus): Verdict {
  return { status, reason: null, publicReason: null };
}

function crashVerdict(current: Runner, crash: DeployCause, state: FunctionState): Verdict {
  const crashed = {
    reason: `version ${shortVersion(current.version)} ${describe(crash)}; it will be started again`,
    publicReason:
      crash.code === 'unhealthy'
        ? 'it crashed and is being started again'
        : 'it cannot be started; it is being tried again',
  };
  const next = nextTrouble(state);
  return { status: 'Degraded', ...(next === undefined ? crashed : joined(next, crashed)) };
}

function servingVerdict(state: FunctionState): Verdict {
  const { current, candidate, problem } = state;
  const next = nextTrouble(state);
  if (next === undefined) {
    return untroubled(problem === undefined && candidate === undefined ? 'Ready' : 'Deploying');
  }
  const stillServes = {
    reason: `version ${current ? shortVersion(current.version) : ''} still serves`,
    publicReason: 'an earlier one still serves',
  };
  return { status: 'Degraded', ...joined(next, stillServes) };
}

/** Why what is asked for does not serve; `undefined` while it still may. */
function nextTrouble({ candidate, problem }: FunctionState): Trouble | undefined {
  if (problem !== undefined) return { reason: describe(problem), publicReason: publicWords(problem) };
  if (candidate?.failure === undefined) return undefined;
  const reason = `version ${shortVersion(candidate.version)} did not get healthy: ${describe(candidate.failure)}`;
  return { reason, publicReason: publicWords(candidate.failure) };
}

function joined(first: Trouble, second: Trouble): Trouble {
  return {
    reason: `${first.reason}; ${second.reason}`,
    publicReason: `${first.publicReason}; ${second.publicReason}`,
  };
}

/** A cause's message may quote what a program printed, secrets and all; its code cannot. */
function publicWords(cause: DeployCause): string {
  if (cause.code === 'unhealthy') return 'its newest version did not start';
  if (cause.code === 'image_gone') return 'its newest version has to be built again';
  return 'its newest version cannot be run';
}

function describe(cause: DeployCause): string {
  return cause.place === undefined ? cause.message : `${formatPlace(cause.place)}: ${cause.message}`;
}
