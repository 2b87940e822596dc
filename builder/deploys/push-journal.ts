import { createHash } from 'node:crypto';
import {
  type DeployCause,
  type DeployRecord,
  type DeployStage,
  type DeployStep,
  isEnd,
  type LogLine,
  type PushRecord,
} from '../../core/deploy.ts';
import { branchOrTag, defaultEnvironment, type RefTargets } from '../../core/environments.ts';
import type { EventBus } from '../../core/events.ts';
import { zeroSha } from '../../core/names.ts';
import type { Delivery } from '../deliveries/delivery-log.ts';
import type { BuildLogStore } from '../logs/build-log-store.ts';
import { maskCredentials } from '../secrets/mask-credentials.ts';
import type { DeployStore } from './deploy-store.ts';

export interface JournalDeps {
  store: DeployStore;
  logs: BuildLogStore;
  events: EventBus;
  /** Which environment a push is for. */
  refs: RefTargets;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** A listener failed at a publication that nobody waits for. */
  onError: (error: unknown) => void;
}

export interface LineOptions {
  kind: LogLine['kind'];
  stage: DeployStage;
  text: string;
  functionName?: string | null;
}

/** What a deploy record is for; part of its id. */
export type DeployPurpose = 'deploy' | 'remove';

/**
 * Milliseconds between two publications of one push: each one holds all of its deploys, so that publishing every
 * change of every deploy would cost the square of their number.
 */
const publishGapMs = 50;

/** Keeps one push's records and its log: every change is stored; changes that follow closely are published together. */
export interface PushJournal {
  readonly pushId: string;
  readonly resumed: boolean;
  push(): PushRecord;
  deploys(): DeployRecord[];
  deploy(id: string): DeployRecord;
  /** The push leaves the queue. */
  start(): void;
  /** The whole push is in this stage; records made later begin with the times of all such stages. */
  enterStage(stage: DeployStage): void;
  setSubject(subject: string): void;
  /** The stack file was read; its functions are known. */
  stackRead(): void;
  /** The commit that the push's ref stands for, if the ref itself points to something else. */
  setSource(commit: string): void;
  /** The record of a function, made if this push has none yet; in the push's own environment unless one is given. */
  open(functionName: string | null, purpose?: DeployPurpose, environment?: string): DeployRecord;
  /** Changes a record; a new `stage` closes the step before it, an end closes the last one. */
  change(id: string, patch: DeployPatch): DeployRecord;
  fail(id: string, stage: DeployStage, cause: DeployCause): void;
  say(line: LineOptions): void;
  /** No more changes or lines. `note`: why there are no deploys. */
  end(note?: string): Promise<void>;
}

export type DeployPatch = Partial<
  Pick<
    DeployRecord,
    'state' | 'stage' | 'cause' | 'waiting' | 'image' | 'gitopsCommit' | 'number' | 'warnings'
  >
>;

/** Deterministic, so that a restart finds the same record and the writer the same build. */
export function deployId(
  deliveryId: string,
  functionName: string | null,
  purpose: DeployPurpose,
  environment: string = defaultEnvironment,
): string {
  const where = environment === defaultEnvironment ? [] : [environment];
  return createHash('sha256')
    .update(JSON.stringify([deliveryId, purpose, functionName, ...where]))
    .digest('hex')
    .slice(0, 32);
}

function pushOf({ event, receivedAt }: Delivery): PushRecord {
  const ref =
    event.type !== 'repository-deleted'
      ? { ref: event.ref, before: event.before, after: event.after }
      : { ref: '', before: zeroSha, after: zeroSha };
  return {
    id: event.id,
    owner: event.repository.owner,
    ownerId: event.repository.ownerId,
    repo: event.repository.name,
    ...ref,
    actor: event.actor,
    state: 'queued',
    note: null,
    deploys: [],
    createdAt: receivedAt,
    updatedAt: receivedAt,
  };
}

function stepInto(steps: DeployStep[], stage: DeployStage, now: number): DeployStep[] {
  const last = steps.at(-1);
  if (last?.stage === stage && last.endedAt === null) return steps;
  return [...closeSteps(steps, now), { stage, startedAt: now, endedAt: null }];
}

function closeSteps(steps: DeployStep[], now: number): DeployStep[] {
  return steps.map((step) => (step.endedAt === null ? { ...step, endedAt: now } : step));
}

/** The record with the change; its steps follow its stage and its state. */
function changed(record: DeployRecord, patch: DeployPatch, now: number): DeployRecord {
  const next: DeployRecord = { ...record, ...patch, updatedAt: now };
  if (patch.cause) next.cause = { ...patch.cause, message: maskCredentials(patch.cause.message) };
  if (patch.waiting !== undefined) next.waiting = maskCredentials(patch.waiting);
  // Not left as a key without a value: records are compared and sent as JSON.
  else if ('waiting' in patch || isEnd(next.state)) delete next.waiting;
  if (patch.stage !== undefined) next.steps = stepInto(next.steps, patch.stage, now);
  if (isEnd(next.state)) next.steps = closeSteps(next.steps, now);
  return next;
}

export function createPushJournal(delivery: Delivery, deps: JournalDeps): PushJournal {
  const { store, logs, events, now } = deps;
  const known = store.push(delivery.event.id);
  const fresh = pushOf(delivery);
  let push: Omit<PushRecord, 'deploys'> = known ?? fresh;
  const records = new Map<string, DeployRecord>(known?.deploys.map((deploy) => [deploy.id, deploy]));
  let steps: DeployStep[] = [{ stage: 'queue', startedAt: delivery.receivedAt, endedAt: null }];
  let subject = known?.deploys[0]?.sourceSubject ?? '';
  let sourceCommit = known?.deploys[0]?.sourceCommit ?? fresh.after;
  logs.open(fresh.id);

  const whole = (): PushRecord => ({ ...push, deploys: [...records.values()] });

  let gap: NodeJS.Timeout | undefined;
  let isUnpublished = false;

  function publish(): void {
    isUnpublished = false;
    clearTimeout(gap);
    gap = setTimeout(endGap, publishGapMs).unref();
    events.publish({ type: 'push.changed', ownerId: push.ownerId, owner: push.owner, push: whole() });
  }

  function endGap(): void {
    gap = undefined;
    if (!isUnpublished) return;
    try {
      publish();
    } catch (error) {
      deps.onError(error);
    }
  }

  function publishSoon(): void {
    if (gap === undefined) publish();
    else isUnpublished = true;
  }

  function changePush(patch: Partial<Pick<PushRecord, 'state' | 'note' | 'stackRead'>>): void {
    push = { ...push, ...patch, updatedAt: now() };
    const { deploys: _, ...row } = whole();
    store.putPush(row);
    if (push.state === 'done') publish();
    else publishSoon();
  }

  function put(record: DeployRecord): DeployRecord {
    records.set(record.id, record);
    store.putDeploy(record);
    publishSoon();
    return record;
  }

  function find(id: string): DeployRecord {
    const record = records.get(id);
    if (!record) throw new Error(`no deploy ${id} in push ${push.id}`);
    return record;
  }

  function ownEnvironment(): string {
    const { event } = delivery;
    if (event.type !== 'push') return defaultEnvironment;
    const target = deps.refs.forRef(event.ref, event.repository.defaultBranch, event.repository);
    return target.way === 'none' ? defaultEnvironment : target.environment;
  }

  function create(id: string, functionName: string | null, environment: string): DeployRecord {
    const { event } = delivery;
    const time = now();
    return {
      id,
      pushId: push.id,
      owner: push.owner,
      ownerId: push.ownerId,
      repo: push.repo,
      branch: branchOrTag(push.ref)?.name ?? event.repository.defaultBranch,
      ...(environment === defaultEnvironment ? {} : { environment }),
      functionName,
      sourceCommit,
      sourceSubject: subject,
      actor: push.actor,
      state: 'queued',
      stage: steps.at(-1)?.stage ?? 'queue',
      cause: null,
      steps,
      image: null,
      gitopsCommit: null,
      number: null,
      warnings: [],
      createdAt: time,
      updatedAt: time,
    };
  }

  if (!known) changePush({});

  return {
    pushId: fresh.id,
    resumed: known !== undefined && known.state === 'running',
    push: whole,
    deploys: () => [...records.values()],
    deploy: find,
    start: () => changePush({ state: 'running' }),
    enterStage(stage) {
      steps = stepInto(steps, stage, now());
    },
    setSubject(text) {
      subject = text;
    },
    stackRead: () => changePush({ stackRead: ownEnvironment() }),
    setSource(commit) {
      sourceCommit = commit;
    },
    open(functionName, purpose = 'deploy', environment = ownEnvironment()) {
      const id = deployId(delivery.event.id, functionName, purpose, environment);
      return records.get(id) ?? put(create(id, functionName, environment));
    },
    change: (id, patch) => put(changed(find(id), patch, now())),
    fail: (id, stage, cause) => void put(changed(find(id), { state: 'failed', stage, cause }, now())),
    say({ kind, stage, text, functionName = null }) {
      const shown = maskCredentials(text);
      const line = logs.append(push.id, { time: now(), functionName, stage, kind, text: shown });
      if (!line) return;
      events.publish({ type: 'log.line', ownerId: push.ownerId, owner: push.owner, pushId: push.id, line });
    },
    async end(note) {
      // The log is whole before anybody is told that the push is done.
      await logs.close(push.id);
      changePush({ state: 'done', ...(note === undefined ? {} : { note }) });
    },
  };
}
