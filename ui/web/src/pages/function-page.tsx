import { useRoute } from 'preact-iso/router';
import type { FunctionDetail, FunctionSummary } from '../../../../core/api.ts';
import type { FunctionAccess } from '../../../../core/function-access.ts';
import type { HistoryEntry } from '../../../../core/manifest-writer.ts';
import { apiPaths, pagePaths } from '../../../../core/paths.ts';
import { CopyButton, Sha } from '../components/copy.tsx';
import { LastDeployNote, neverRan } from '../components/deploy-note.tsx';
import { ErrorNotice } from '../components/error-notice.tsx';
import { Icon } from '../components/icon.tsx';
import { Skeleton } from '../components/page.tsx';
import { FunctionStatusMark } from '../components/status.tsx';
import { Age } from '../components/time.tsx';
import { YamlText } from '../components/yaml-text.tsx';
import { getJson } from '../data/api-client.ts';
import { useResource } from '../data/resource.ts';
import { shortImage } from '../format/commit.ts';
import { EnvironmentsSection } from './environments-section.tsx';
import { FunctionFrame, useDetail, useRevision } from './function-frame.tsx';
import { Chips } from './history-chips.tsx';
import { titleOf } from './history-words.ts';
import { RemoveButton } from './remove-button.tsx';

/** Whether the note about the last deploy says the reason too. */
function repeatsDeploy({ serving, reason, lastDeploy }: FunctionSummary): boolean {
  if (lastDeploy?.state !== 'failed') return false;
  const said = lastDeploy.cause?.message;
  return serving === 'Failed' || (said ? reason?.includes(said) === true : false);
}

function Hero({ detail }: { detail: FunctionDetail }) {
  const { summary, current, entry } = detail;
  const image = entry?.image ?? current?.image;
  return (
    <section class="panel hero" aria-label="State">
      <div class="hero-line">
        <FunctionStatusMark status={summary.status} />
        {summary.serving !== summary.status && <FunctionStatusMark status={summary.serving} />}
        {neverRan(summary) ? (
          <span class="hero-url">{summary.url}</span>
        ) : (
          <a class="hero-url" href={openableUrl(detail)} target="_blank" rel="noopener">
            {summary.url}
          </a>
        )}
        <CopyButton text={summary.url} label={`Copy the URL of ${summary.functionName}`} />
      </div>
      {summary.reason && !repeatsDeploy(summary) && <p class="hero-reason">{summary.reason}</p>}
      {summary.lastDeploy && (
        <LastDeployNote deploy={summary.lastDeploy} serving={summary.serving === 'Ready'} />
      )}
      <dl class="facts">
        <div class="wide">
          <dt>Commit</dt>
          <dd>
            <span class="subject">{summary.sourceSubject || 'none'}</span>{' '}
            {summary.sourceCommit && <Sha sha={summary.sourceCommit} of="source commit" />}
          </dd>
        </div>
        <div>
          <dt>Source</dt>
          <dd>
            <Icon name="branch" /> {summary.repo}@{summary.branch}
          </dd>
        </div>
        <div>
          <dt>Deployed</dt>
          <dd>
            {summary.deployedAt === null ? 'never' : <Age time={summary.deployedAt} />}
            {current && <> by {current.author.name}</>}
          </dd>
        </div>
        <div>
          <dt>Number</dt>
          <dd>
            {summary.number === null ? (
              'none'
            ) : (
              <a href={pagePaths.deploys(summary.owner, summary.functionName)}>Deploy #{summary.number}</a>
            )}
          </dd>
        </div>
        {image && (
          <div>
            <dt>Artifact</dt>
            <dd>
              <code title={image}>{shortImage(image)}</code>{' '}
              <CopyButton text={image} label="Copy the image reference" />
            </dd>
          </div>
        )}
        {entry && entry.access !== 'public' && (
          <div>
            <dt>Access</dt>
            <dd>{accessWords[entry.access]}</dd>
          </div>
        )}
        {entry && entry.restarts > 0 && (
          <div>
            <dt>Restarts</dt>
            <dd>{entry.restarts}</dd>
          </div>
        )}
      </dl>
    </section>
  );
}

const accessWords: Record<FunctionAccess, string> = {
  public: 'everybody',
  members: 'who may see this page',
  owner: 'the owner alone',
};

/**
 * Where a browser gets through to it: one that is not public knows the dashboard's login at its own address alone, and
 * over plain HTTP from the dashboard's pages alone, so the link says where it is. Other sites are not told by any page.
 */
function openableUrl({ summary, entry }: FunctionDetail): string {
  const { owner, functionName, url } = summary;
  return entry === null || entry.access === 'public' ? url : `/~${owner}/${functionName}`;
}

const latest = 5;

function LatestDeploys({ owner, name }: { owner: string; name: string }) {
  const { data, error, reload } = useResource(
    `latest of ${owner}/${name}`,
    useRevision(owner, name),
    (signal) => getJson<HistoryEntry[]>(apiPaths.history(owner, name, { limit: latest }), signal),
  );
  if (error !== undefined && !data) {
    return <ErrorNotice error={error} what="The history cannot be shown." retry={reload} />;
  }
  if (!data) return <Skeleton rows={3} />;
  return (
    <ol class="panel rows" aria-label="Latest deploys">
      {data.length === 0 && <li class="row muted">It has never been deployed.</li>}
      {data.map((row) => (
        <li key={row.commit} class="row latest-row">
          <a href={pagePaths.deploys(owner, name)} data-row class="number">
            #{row.number}
          </a>
          <div class="subject-line">
            <span class="subject">{titleOf(row)}</span>
            <Chips entry={row} />
          </div>
          <Age time={row.committedAt} />
        </li>
      ))}
    </ol>
  );
}

export function FunctionPage() {
  const { owner = '', fn: name = '' } = useRoute().params;
  const { data, error, reload } = useDetail(owner, name);
  const actions = data && (
    <>
      <RemoveButton summary={data.summary} />
      <a
        class={neverRan(data.summary) ? 'button' : 'button primary'}
        href={openableUrl(data)}
        target="_blank"
        rel="noopener"
      >
        <Icon name="open" />
        Open
      </a>
    </>
  );
  return (
    <FunctionFrame owner={owner} name={name} active="Overview" summary={data?.summary} actions={actions}>
      {error !== undefined && (
        <ErrorNotice error={error} what={`${owner}/${name} cannot be shown.`} retry={reload} />
      )}
      {!data && error === undefined && <Skeleton rows={4} />}
      {data && (
        <>
          <Hero detail={data} />
          <EnvironmentsSection summary={data.summary} states={data.environments} />
          <div class="columns">
            <section>
              <h2>Latest deploys</h2>
              <LatestDeploys owner={owner} name={name} />
              <p class="small">
                <a href={pagePaths.deploys(owner, name)}>All deploys, differences and rollback</a>
              </p>
            </section>
            <section>
              <h2>Manifest</h2>
              {data.manifest === null ? (
                <div class="panel blank">
                  <p>The GitOps repository has no manifest of this function.</p>
                </div>
              ) : (
                <div class="panel manifest">
                  <YamlText text={data.manifest} />
                  <CopyButton text={data.manifest} label="Copy the manifest" />
                </div>
              )}
            </section>
          </div>
        </>
      )}
    </FunctionFrame>
  );
}
