import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterObject } from '../../runtime/kubernetes/cluster-api.ts';
import { applicationOf } from './argo-application.ts';

/** As Argo CD 3.5.3 wrote them, but for what the adapter does not read. */
const automated = { syncPolicy: { automated: { prune: true, selfHeal: true } } };
const observed = (status: object, spec: object = automated) =>
  applicationOf({ metadata: { name: 'tenant-alice', namespace: 'argocd' }, spec, status } as ClusterObject);
const synced = (kind: string, name: string) => ({
  ...{ kind, name, namespace: 'openfaas-fn', status: 'Synced', hookPhase: 'Running', syncPhase: 'Sync' },
  message: `${name} serverside-applied`,
});
const head = 'c5d7590'.padEnd(40, '0');
const before = 'ddb8419'.padEnd(40, '0');

describe("what an Application's status says", () => {
  it('is the commit that the cluster is the same as, once the operation is over', () => {
    const sync = { status: 'Synced', revision: head };
    const done = { phase: 'Succeeded', message: 'successfully synced (all tasks run)' };
    assert.equal(observed({ sync, operationState: done }).syncedCommit, head);
    assert.equal(observed({ sync, operationState: { phase: 'Running' } }).syncedCommit, undefined);
    assert.equal(observed({ sync: { ...sync, status: 'OutOfSync' } }).syncedCommit, undefined);
  });

  it('is nothing of a new one, which does no wrong', () => {
    assert.deepEqual(observed({}), {
      ...{ syncedCommit: undefined, comparedCommit: undefined, failure: undefined, lookedAt: undefined },
      ...{ isRetrying: false, isAutomated: true, isInvalid: false },
    });
  });

  it('is a failure while it only waits for the next attempt, and no news while that is under way', () => {
    const message =
      "one or more synchronization tasks are not valid: namespace kube-system is not permitted in project 'tenant-alice'. Retrying attempt #1 at 5:17PM.";
    const waits = { phase: 'Running', message, retryCount: 1, finishedAt: '2026-11-22T17:17:05Z' };
    const refused = {
      ...{ kind: 'ConfigMap', name: 'x', namespace: 'kube-system', status: 'SyncFailed' },
      message: "namespace kube-system is not permitted in project 'tenant-alice'",
    };
    const syncResult = { revision: head, resources: [refused] };
    const failed = observed({ sync: { status: 'OutOfSync' }, operationState: { ...waits, syncResult } });
    assert.equal(failed.failure?.commit, head);
    assert.match(
      failed.failure?.message ?? '',
      /^ConfigMap\/kube-system\/x apply failed: namespace kube-system/,
    );
    assert.equal(failed.isRetrying, false);
    assert.doesNotMatch(observed({ operationState: waits }).failure?.message ?? '', /Retrying/);
    const attempt = { phase: 'Running', message: 'Retrying operation. Attempt #1', retryCount: 1 };
    const again = observed({ operationState: attempt });
    assert.deepEqual([again.failure, again.isRetrying], [undefined, true]);
  });

  it('tells what is refused from what is applied all the same', () => {
    const refused = {
      ...synced('Function', 'alice-other'),
      status: 'SyncFailed',
      message: 'spec.image: Invalid value',
    };
    const resources = [
      refused,
      synced('Function', 'alice-hello'),
      synced('ConfigMap', 'towline-tenant-alice'),
    ];
    const operationState = { phase: 'Failed', message: '', syncResult: { revision: before, resources } };
    const { failure } = observed({ operationState });
    assert.deepEqual([...(failure?.applied ?? [])], ['alice-hello', 'towline-tenant-alice']);
    assert.deepEqual([...(failure?.refused?.keys() ?? [])], ['alice-other']);
  });

  it('is what has to be there first, what cannot be read, and what is not begun', () => {
    const reasonOf = (type: string, message: string) =>
      observed({ conditions: [{ type, message }] }).failure?.reason;
    const missing = 'Application referencing project tenant-eve which does not exist';
    assert.equal(reasonOf('InvalidSpecError', missing), 'DependencyNotReady');
    const generating =
      'Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = ';
    const broken =
      'FailedPrecondition desc = Failed to unmarshal "other.yaml": yaml: did not find expected node';
    assert.equal(reasonOf('ComparisonError', `${generating}${broken}`), 'BuildFailed');
    const away = 'Unknown desc = failed to list refs: dial tcp 127.0.0.1:1: connect: connection refused';
    assert.equal(reasonOf('ComparisonError', `${generating}${away}`), 'ArtifactFailed');
    const empty = `Skipping sync attempt to [${head}]: auto-sync will wipe out all resources`;
    assert.equal(reasonOf('SyncError', empty), 'PruneFailed');
    assert.equal(observed({ conditions: [{ type: 'InvalidSpecError', message: missing }] }).isInvalid, true);
  });

  it('is that somebody has to sync it, where that was turned off', () => {
    assert.equal(observed({}, { syncPolicy: {} }).isAutomated, false);
    assert.equal(observed({}, { syncPolicy: { automated: { enabled: false } } }).isAutomated, false);
  });
});
