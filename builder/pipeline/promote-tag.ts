import type { DeployRecord } from '../../core/deploy.ts';
import { branchOrTag, type RefTarget } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import type {
  CurrentFunction,
  HistoryEntry,
  PromoteIntent,
  WriteDelay,
  WriteOutcome,
} from '../../core/manifest-writer.ts';
import type { PushEvent } from '../../core/source-event.ts';
import { isNews } from '../deliveries/delivery-log.ts';
import { tagCommit } from '../source/branch-head.ts';
import { recordOutcome } from './commit-function.ts';
import { followDeploy } from './follow-deploy.ts';
import { patiently } from './patiently.ts';
import { interruption, type PipelineContext, type PushTask } from './pipeline-context.ts';
import { settleError } from './settle.ts';
import { checkHead } from './workspace.ts';

/** A pushed tag whose commit is promoted. */
export interface TagPush {
  event: PushEvent;
  target: Extract<RefTarget, { way: 'promote' }>;
}

/** What the environment that a tag promotes from has, or had, of a function. */
interface Origin {
  functionName: string;
  /** Newest first. */
  versions: HistoryEntry[];
}

/** Versions that are looked through for a tag's commit. */
const maxVersions = 500;

/** What the tag points to; an annotated one through its own object. */
async function sourceCommitOf(task: PushTask, context: PipelineContext, event: PushEvent): Promise<string> {
  const signal = interruption(task, context);
  return patiently(task, context, { stage: 'clone', signal }, async () => {
    await checkHead(task, context, event);
    const location = await context.sourceAccess.locate(event.repository, event);
    const commit = await tagCommit({ location, path: context.config.path }, event.ref, signal);
    if (commit !== undefined) return commit;
    throw new TowlineError('source_unavailable', `the tag ${tagName(event)} is gone`);
  });
}

function tagName(event: PushEvent): string {
  return branchOrTag(event.ref)?.name ?? event.ref;
}

async function originsOf(
  task: PushTask,
  context: PipelineContext,
  { event, target }: TagPush,
): Promise<Origin[]> {
  const { owner, name: repo } = event.repository;
  const environment = target.from;
  const { manifestWriter } = context;
  const signal = interruption(task, context);
  return patiently(task, context, { stage: 'detect', signal }, async () => {
    const current = await manifestWriter.current(owner, environment);
    const ofRepository = current.filter((one: CurrentFunction) => one.repo === repo);
    return Promise.all(
      ofRepository.map(async ({ functionName }) => {
        const query = { owner, functionName, environment, limit: maxVersions };
        return { functionName, versions: await manifestWriter.history(query) };
      }),
    );
  });
}

interface Tag {
  name: string;
  commit: string;
  from: string;
}

/**
 * What the environment had of the tag's commit, also if it has another one by now: whoever tagged it has tested that
 * one. A function that the commit left as it was has it in an earlier commit's version.
 */
function versionAt(
  context: PipelineContext,
  { versions }: Origin,
  record: DeployRecord,
  { commit, from }: Tag,
): HistoryEntry | undefined {
  const answer = context.answerOf({ ...record, environment: from, sourceCommit: commit });
  return versions.find((one) => one.present && (one.sourceCommit === commit || one.commit === answer));
}

/** Why a function isn't promoted by this tag: its version has to have been good, and not to have been taken back. */
function whyNot(
  context: PipelineContext,
  { versions }: Origin,
  version: HistoryEntry | undefined,
  tag: Tag,
): string | undefined {
  const commit = tag.commit.slice(0, 7);
  if (!version) {
    const at = versions[0]?.sourceCommit?.slice(0, 7) ?? 'an unknown commit';
    return `"${tag.from}" has ${at} of it and never had ${tag.name} (${commit}); deploy that commit there, then push the tag again`;
  }
  const back = versions.find(({ number, restores }) => {
    return number > version.number && restores !== null && restores < version.number;
  });
  const takenBack = version.revertedBy ?? back?.number;
  if (takenBack !== undefined && takenBack !== null) {
    return `${commit} was taken back in "${tag.from}" by #${takenBack}; tag a commit that stayed`;
  }
  const built = versions.find(({ image, buildId }) => image === version.image && buildId !== null);
  const deployed = context.deployRecord(built?.buildId ?? '');
  if (deployed?.state !== 'failed') return undefined;
  const cause = deployed.cause ? `: ${deployed.cause.message}` : '';
  return `${commit} failed in "${tag.from}"${cause}; mend it, and tag the commit that works`;
}

function leaveOut({ journal }: PushTask, { id }: DeployRecord, functionName: string, reason: string): void {
  const text = `${functionName} is not promoted: ${reason}`;
  journal.say({ kind: 'warning', stage: 'detect', functionName, text });
  journal.change(id, { state: 'skipped', cause: { code: 'conflict', message: reason } });
}

/** A promotion doesn't wait in the writer for the hold's end, as a deploy would. */
function endedByHold(outcome: WriteOutcome): WriteOutcome {
  return outcome.type === 'held' ? { type: 'skipped', reason: outcome.reason } : outcome;
}

/** `false`: it has ended. */
async function promoteFunction(
  task: PushTask,
  context: PipelineContext,
  work: { id: string; functionName: string; version: HistoryEntry; tag: TagPush },
): Promise<boolean> {
  const { id, functionName, version, tag } = work;
  const { event, target } = tag;
  const { journal } = task;
  if (journal.deploy(id).gitopsCommit !== null) return true;
  journal.change(id, { stage: 'commit', image: version.image });
  const intent: PromoteIntent = {
    owner: event.repository.owner,
    ownerId: event.repository.ownerId,
    functionName,
    from: target.from,
    to: target.environment,
    reason: `tag ${tagName(event)}`,
    actor: event.actor,
    commit: version.commit,
    buildId: id,
    trigger: isNews(task.delivery) ? 'push' : 'rebuild',
    answeredBy: context.answerOf(journal.deploy(id)),
  };
  const signal = interruption(task, context);
  const onWaiting = (delay: WriteDelay | undefined) => {
    if (!delay) return;
    journal.say({ kind: 'warning', stage: 'commit', functionName, text: `waiting: ${delay.message}` });
  };
  try {
    const outcome = await patiently(task, context, { stage: 'commit', functionName, signal }, async () => {
      await checkHead(task, context, event);
      task.superseded.throwIfAborted();
      return context.manifestWriter.promote(intent, context.stopped, { onWaiting });
    });
    return await recordOutcome(task, context, id, endedByHold(outcome));
  } catch (error) {
    await settleError(task, context, { id, stage: 'commit', error });
    return false;
  }
}

/**
 * Promotes, without a build, what an environment has of a tag's commit: the same digests. Every function of the
 * repository gets a record, also those that aren't at that commit. Resolves when all have ended.
 */
export async function promoteTag(
  task: PushTask,
  context: PipelineContext,
  tag: TagPush,
): Promise<string | undefined> {
  const { journal } = task;
  const { event, target } = tag;
  journal.enterStage('clone');
  const commit = await sourceCommitOf(task, context, event);
  journal.setSource(commit);
  journal.enterStage('detect');
  const name = tagName(event);
  const origins = await originsOf(task, context, tag);
  const what = `${name} (${commit.slice(0, 7)}): from ${target.from} to ${target.environment}, without a build`;
  journal.say({ kind: 'phase', stage: 'detect', text: `promote ${what}` });
  if (origins.length === 0)
    return `nothing to promote: "${target.from}" has no function of ${event.repository.name}`;
  const opened = origins.map((origin) => ({ origin, record: journal.open(origin.functionName) }));
  await Promise.all(
    opened.map(async ({ origin, record }) => {
      const { functionName } = origin;
      const isCommitted = record.gitopsCommit !== null;
      if (record.state === 'skipped' || record.state === 'live' || record.state === 'failed') return;
      const wanted = { name, commit, from: target.from };
      const version = versionAt(context, origin, record, wanted);
      const reason = isCommitted ? undefined : whyNot(context, origin, version, wanted);
      if (reason !== undefined || !version)
        return leaveOut(task, record, functionName, reason ?? 'it is gone');
      const leadsOn = await promoteFunction(task, context, { id: record.id, functionName, version, tag });
      if (leadsOn) await followDeploy(task, context, record.id);
    }),
  );
  return undefined;
}
