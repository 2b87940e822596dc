import type { DeployRecord } from '../../core/deploy.ts';
import { gitLabels } from '../../core/function-spec.ts';
import type { PushEvent } from '../../core/source-event.ts';

/** OpenFaaS Cloud's spelling of today's `com.openfaas.git-*` keys. */
const cloudSpelling = (key: string) => key.replace(/^com\.openfaas\.git-/, 'com.openfaas.cloud.git-');

/** A clone URL without the credentials that it may carry. */
function plainUrl(text: string): string {
  if (!URL.canParse(text)) return '';
  const url = new URL(text);
  url.username = '';
  url.password = '';
  return url.href;
}

/**
 * The OCI annotations every image carries (source, revision, created, title) and the git labels of DESIGN.md §3.
 * `created` is when the push was accepted, so that a build that is taken up again makes the same image.
 */
export function imageLabels(record: DeployRecord, event: PushEvent): Record<string, string> {
  const { repository, scm } = event;
  const git: Record<string, string> = {
    [gitLabels.owner]: repository.owner,
    [gitLabels.ownerId]: repository.ownerId,
    [gitLabels.repo]: repository.name,
    [gitLabels.branch]: record.branch,
    [gitLabels.sha]: record.sourceCommit,
    [gitLabels.scm]: scm,
    [gitLabels.private]: repository.private ? '1' : '0',
    'com.openfaas.git-deploytime': String(Math.floor(record.createdAt / 1000)),
  };
  return {
    'org.opencontainers.image.source': plainUrl(repository.cloneUrl),
    'org.opencontainers.image.revision': record.sourceCommit,
    'org.opencontainers.image.created': new Date(record.createdAt).toISOString(),
    'org.opencontainers.image.title': record.functionName ?? '',
    ...git,
    ...Object.fromEntries(Object.entries(git).map(([key, value]) => [cloudSpelling(key), value])),
    [gitLabels.functionName]: record.functionName ?? '',
  };
}
