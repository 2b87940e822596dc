import type { CatalogEntry, FunctionStatus } from '../../core/catalog.ts';
import type { DeployCause } from '../../core/deploy.ts';
import { formatPlace } from '../../core/errors.ts';
import { shortVersion } from './desired-function.ts';
import type { FunctionState } from './function-state.ts';
import type { Runner } from './runner.ts';

interface Verdict {
  status: FunctionStatus;
  reason: string | null;
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
  if (state.isDeleting) return { status: 'Deleting', reason: null };
  if (state.current?.instance !== undefined) return servingVerdict(state);
  if (state.current?.failure !== undefined) return crashVerdict(state.current, state.current.failure, state);
  if (state.asleep !== undefined) return { status: 'Asleep', reason: null };
  const trouble = state.problem ?? state.candidate?.failure;
  if (state.current !== undefined) return { status: 'Deploying', reason: trouble ? describe(trouble) : null };
  if (trouble === undefined) return { status: 'Deploying', reason: null };
  return { status: 'Failed', reason: describe(trouble) };
}

function crashVerdict(current: Runner, crash: DeployCause, { candidate, problem }: FunctionState): Verdict {
  const crashed = `version ${shortVersion(current.version)} ${describe(crash)}; it will be started again`;
  const next = problem === undefined ? candidateFailure(candidate) : describe(problem);
  return { status: 'Degraded', reason: next === undefined ? crashed : `${next}; ${crashed}` };
}

function candidateFailure(candidate: Runner | undefined): string | undefined {
  if (candidate?.failure === undefined) return undefined;
  return `version ${shortVersion(candidate.version)} did not get healthy: ${describe(candidate.failure)}`;
}

function servingVerdict(state: FunctionState): Verdict {
  const { current, candidate, problem } = state;
  const stillServes = `version ${current ? shortVersion(current.version) : ''} still serves`;
  if (problem !== undefined) return { status: 'Degraded', reason: `${describe(problem)}; ${stillServes}` };
  if (candidate === undefined) return { status: 'Ready', reason: null };
  const failure = candidateFailure(candidate);
  if (failure === undefined) return { status: 'Deploying', reason: null };
  return { status: 'Degraded', reason: `${failure}; ${stillServes}` };
}

function describe(cause: DeployCause): string {
  return cause.place === undefined ? cause.message : `${formatPlace(cause.place)}: ${cause.message}`;
}
