import { type DeployRecord, type DeployStage, isEnd, type PushRecord } from '../../core/deploy.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import { describeError, type ErrorCode, formatPlace, TowlineError } from '../../core/errors.ts';
import { oneLine } from '../../core/one-line.ts';
import { pagePaths } from '../../core/paths.ts';
import type { SourceEvent } from '../../core/source-event.ts';
import { duration, quoted } from './report-text.ts';
import type { Annotation, ReportState, StatusReport } from './status-report.ts';

export interface DescribeOptions {
  /** Of the dashboard, where the log pages are: `https://towline.example.org`. */
  origin: string;
  functionUrl(owner: string, functionName: string, environment?: string): string;
  /** How many pushes of its repository are before this one. */
  ahead?: number | undefined;
  /** What a build does just now, in its engine's words. */
  phaseOf?: ((record: DeployRecord) => string | undefined) | undefined;
}

/** What the user cannot mend. */
const ours: ReadonlySet<ErrorCode> = new Set([
  'internal',
  'unavailable',
  'timeout',
  'engine_unavailable',
  'registry_unavailable',
  'remote_unavailable',
  'write_conflict',
]);

const stageNames: Record<DeployStage, string> = {
  queue: 'Queued',
  clone: 'Clone',
  detect: 'Stack file',
  build: 'Build',
  commit: 'Commit',
  apply: 'Rollout',
  live: 'Start',
};

const doing: Partial<Record<DeployRecord['state'], string>> = {
  queued: 'Queued',
  building: 'Building',
  built: 'Built, being committed',
  committed: 'Committed, being rolled out',
  applied: 'Rolled out, being started',
};

type Told = Pick<StatusReport, 'state' | 'text'>;

function causeText({ cause }: DeployRecord): string {
  if (!cause) return 'for no known reason';
  return describeError(new TowlineError(cause.code, cause.message, { place: cause.place, hint: cause.hint }));
}

function tellFailure(record: DeployRecord): Told {
  const { cause, stage } = record;
  if (cause?.code === 'build_cancelled') return { state: 'cancelled', text: `Cancelled: ${cause.message}` };
  const state = cause && !ours.has(cause.code) ? 'failure' : 'error';
  return { state, text: `${stageNames[stage]} failed: ${causeText(record)}` };
}

/** The writer says who holds it: "held by alex since …". */
const tellHold = (why = 'held') => (why.startsWith('held') ? `Built, ${why}` : `Built, not live: ${why}`);

/** What one deploy's record says to whoever pushed it. */
function tellDeploy(record: DeployRecord, phase?: string): Told {
  const { state, cause, createdAt, updatedAt, waiting } = record;
  const because = cause ? `: ${cause.message}` : '';
  if (state === 'live') return { state: 'success', text: `Live in ${duration(updatedAt - createdAt)}` };
  if (state === 'removed') return { state: 'success', text: `Removed${because}` };
  if (state === 'failed') return tellFailure(record);
  if (state === 'skipped') return { state: 'neutral', text: `Skipped${because}` };
  if (state === 'held') return { state: 'neutral', text: tellHold(cause?.message) };
  if (state === 'superseded') return { state: 'cancelled', text: `Superseded by a newer push${because}` };
  const why = waiting ?? cause?.message;
  const text = state === 'building' && phase ? `Building: ${phase}` : (doing[state] ?? 'Building');
  return { state: state === 'queued' ? 'queued' : 'running', text: why ? `${text}, waiting: ${why}` : text };
}

const warningPlace = /^([\w./-]{1,200}):(\d{1,6})(?::\d{1,6})?: (.+)$/s;

function annotationsOf(record: DeployRecord): Annotation[] {
  const { cause, warnings } = record;
  const found: Annotation[] = [];
  if (record.state === 'failed' && cause?.place?.line !== undefined) {
    const { file, line } = cause.place;
    const message = cause.hint ? `${cause.message} (${cause.hint})` : cause.message;
    found.push({ path: file, line, level: 'failure', message: message.slice(0, 2000) });
  }
  for (const warning of warnings) {
    const [, path, line, message] = warningPlace.exec(warning) ?? [];
    if (path !== undefined && message !== undefined)
      found.push({ path, line: Number(line), level: 'warning', message: message.slice(0, 2000) });
  }
  return found;
}

/** Warnings are on every record of a push; each is told once. */
function distinct(annotations: Annotation[]): Annotation[] {
  return [...new Map(annotations.map((each) => [JSON.stringify(each), each])).values()].slice(0, 50);
}

function steps({ steps: all }: DeployRecord): string {
  const ended = all.filter(({ endedAt }) => endedAt !== null);
  const rows = ended.map(
    ({ stage, startedAt, endedAt }) => `| ${stage} | ${duration((endedAt ?? startedAt) - startedAt)} |`,
  );
  return rows.length === 0 ? '' : `\n\n| step | took |\n|---|---|\n${rows.join('\n')}`;
}

function causeMarkdown({ cause }: DeployRecord): string {
  if (!cause) return '';
  const place = cause.place ? `${quoted(formatPlace(cause.place))}: ` : '';
  return `\n\n${place}${quoted(cause.message)}${cause.hint ? `\n\n${quoted(cause.hint)}` : ''}`;
}

type Common = Omit<
  StatusReport,
  | 'context'
  | 'functionName'
  | 'environment'
  | 'deployId'
  | 'state'
  | 'text'
  | 'summary'
  | 'functionUrl'
  | 'annotations'
  | 'endedAt'
>;

/** Another environment may deploy the same commit: it has contexts of its own. */
const suffixOf = (environment: string) => (environment === defaultEnvironment ? '' : ` (${environment})`);

function describeDeploy(record: DeployRecord, common: Common, options: DescribeOptions): StatusReport {
  const { functionName, owner, environment = defaultEnvironment } = record;
  const { state, text } = tellDeploy(record, options.phaseOf?.(record));
  const url =
    state === 'success' && record.state === 'live' && functionName !== null
      ? options.functionUrl(owner, functionName, record.environment)
      : null;
  const where = url === null ? '' : `: ${url}`;
  return {
    ...common,
    context: `towline/${functionName}${suffixOf(environment)}`,
    functionName,
    environment,
    deployId: record.id,
    state,
    text: oneLine(text),
    summary: `${quoted(text)}${where}${causeMarkdown(record)}${steps(record)}\n\n[Log](${common.logUrl})`,
    functionUrl: url,
    annotations: distinct(annotationsOf(record)),
    endedAt: isEnd(record.state) ? record.updatedAt : null,
  };
}

function tellNote(note: string): Told {
  if (/^(superseded|stopped) by /.test(note)) return { state: 'cancelled', text: oneLine(note) };
  return { state: 'neutral', text: `Skipped: ${note.replace(/^skipped: /, '')}` };
}

const worst: ReportState[] = ['error', 'failure', 'cancelled', 'neutral', 'success'];

function tellEnd(push: PushRecord, told: Told[]): Told {
  const [only] = told;
  if (only === undefined) return tellNote(push.note ?? 'there is nothing to deploy');
  if (told.length === 1) return only;
  const state = worst.find((each) => told.some((one) => one.state === each)) ?? 'success';
  const live = push.deploys.filter((deploy) => deploy.state === 'live').length;
  if (state === 'success')
    return { state, text: `${live} of ${told.length} live in ${duration(push.updatedAt - push.createdAt)}` };
  const first = push.deploys.find((_, index) => told[index]?.state === state);
  const about = told.find((one) => one.state === state);
  return { state, text: `${live} of ${told.length} live; ${first?.functionName ?? 'push'}: ${about?.text}` };
}

/** Also each of its deploys: one that was held may go on later. */
const isOver = ({ state, deploys }: PushRecord) =>
  state === 'done' && deploys.every((deploy) => isEnd(deploy.state));

function tellPush(push: PushRecord, ahead: number): Told {
  const told = push.deploys.map((deploy) => tellDeploy(deploy));
  if (isOver(push)) return tellEnd(push, told);
  if (push.state === 'queued')
    return { state: 'queued', text: ahead > 0 ? `Queued, ${ahead} ahead` : 'Queued' };
  const ended = push.deploys.filter((deploy) => isEnd(deploy.state)).length;
  const [only] = told;
  if (told.length === 1 && only && ended === 0) return { ...only, state: 'running' };
  return {
    state: 'running',
    text: told.length === 0 ? 'Reading the sources' : `${ended} of ${told.length} done`,
  };
}

function describeWhole(push: PushRecord, common: Common, options: DescribeOptions): StatusReport {
  const { state, text } = tellPush(push, options.ahead ?? 0);
  const environment = push.deploys[0]?.environment ?? push.stackRead ?? defaultEnvironment;
  const rows = push.deploys.map((deploy) => {
    const isLive = deploy.state === 'live' && deploy.functionName !== null;
    const url = isLive
      ? options.functionUrl(deploy.owner, deploy.functionName ?? '', deploy.environment)
      : '';
    const name = deploy.functionName === null ? '' : quoted(deploy.functionName);
    return `| ${name} | ${quoted(tellDeploy(deploy).text)} | ${url} |`;
  });
  const table = rows.length === 0 ? '' : `\n\n| function | state | URL |\n|---|---|---|\n${rows.join('\n')}`;
  return {
    ...common,
    context: `towline${suffixOf(environment)}`,
    functionName: null,
    environment,
    deployId: null,
    state,
    text: oneLine(text),
    summary: `${quoted(text)}${table}\n\n[Log](${common.logUrl})`,
    functionUrl: null,
    annotations: distinct(push.deploys.flatMap(annotationsOf)),
    endedAt: isOver(push) ? push.updatedAt : null,
  };
}

const zeros = /^0+$/;
/** What forges take as part of a context's name and of an environment's; other names were refused, as the whole says. */
const contextName = /^[\w.-]{1,63}$/;

/** What is to be told of a push: of it as a whole first, then of each of its functions. Nothing if it has no commit. */
export function describePush(push: PushRecord, event: SourceEvent, options: DescribeOptions): StatusReport[] {
  const { repository, scm, installationId } = event;
  const commit = push.deploys[0]?.sourceCommit ?? push.after;
  if (scm === 'git' || push.ref === '' || zeros.test(commit)) return [];
  const common: Common = {
    scm,
    repository: { id: repository.id, path: repository.path ?? `${repository.owner}/${repository.name}` },
    ...(installationId === undefined ? {} : { installationId }),
    owner: push.owner,
    commit,
    ref: push.ref,
    pushId: push.id,
    logUrl: `${options.origin}${pagePaths.push(push.owner, push.id)}`,
    startedAt: push.createdAt,
  };
  const named = push.deploys.filter(({ functionName }) => contextName.test(functionName ?? ''));
  return [
    describeWhole(push, common, options),
    ...named.map((deploy) => describeDeploy(deploy, common, options)),
  ];
}
