import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeployRecord } from '../../core/deploy.ts';
import type { Reconciler } from '../../core/reconciler.ts';
import { createLogger } from '../../runtime/logger.ts';
import type { DeployPatch, LineOptions } from '../deploys/push-journal.ts';
import { followDeploy } from './follow-deploy.ts';
import type { PipelineContext, PushTask } from './pipeline-context.ts';

const suspended = 'the Kustomization flux-system/tenant-alice is suspended';

/** One committed deploy, and what its record and its log say over time. */
function setUp(
  follow: Reconciler['follow'],
  readyFollowTimeoutMs = 60_000,
  before: Partial<DeployRecord> = {},
) {
  let record = {
    ...{ id: 'd1', owner: 'alice', functionName: 'hello', gitopsCommit: 'c'.repeat(40) },
    ...{ image: null, state: 'committed', stage: 'apply', cause: null, ...before },
  } as DeployRecord;
  const said: string[] = [];
  const change = (_: string, patch: DeployPatch) => {
    record = { ...record, ...patch };
    return record;
  };
  const journal = {
    deploy: () => record,
    change,
    fail: (_: string, stage: DeployRecord['stage'], cause: DeployRecord['cause']) =>
      void change('', { state: 'failed', stage, cause }),
    say: ({ kind, text }: LineOptions) => void said.push(`${kind}: ${text}`),
  };
  const context = {
    config: { readyFollowTimeoutMs },
    reconciler: { nudge() {}, follow },
    stopped: new AbortController().signal,
    logger: createLogger({ name: 'test', level: 'silent' }),
    catalogOf: () => undefined,
    functionUrl: () => 'http://alice.localhost/hello',
  };
  const run = () =>
    followDeploy({ journal } as unknown as PushTask, context as unknown as PipelineContext, 'd1');
  return { run, said, record: () => record };
}

describe('following a committed deploy', () => {
  it('keeps in the record and in the log why it waits, until it goes on', async () => {
    const seen: (string | undefined)[] = [];
    const { run, said, record } = setUp(async (_target, _onApplied, _signal, onWaiting) => {
      onWaiting?.(suspended);
      seen.push(record().waiting);
      onWaiting?.(null);
      seen.push(record().waiting);
      return { type: 'live' };
    });
    await run();
    assert.deepEqual(seen, [suspended, undefined]);
    assert.deepEqual(said, [
      `warning: hello waits: ${suspended}`,
      'phase: hello goes on',
      'phase: hello is live: http://alice.localhost/hello',
    ]);
    assert.equal(record().state, 'live');
  });

  it('says what it waited for when it took too long', async () => {
    const { run, record } = setUp(
      (_target, _onApplied, signal, onWaiting) =>
        new Promise((_, reject) => {
          onWaiting?.(suspended);
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
      20,
      { image: 'registry.test/hello:1' },
    );
    await run();
    assert.equal(record().state, 'failed');
    assert.equal(record().cause?.code, 'timeout');
    assert.match(
      record().cause?.message ?? '',
      /^it was not ready within 0 s: the Kustomization .* is suspended$/,
    );
  });

  it('forgets what a run before this one waited for', async () => {
    let atStart: string | undefined = 'not asked';
    const { run, record } = setUp(
      async () => {
        atStart = record().waiting;
        return { type: 'live' };
      },
      60_000,
      { waiting: suspended },
    );
    await run();
    assert.equal(atStart, undefined);
  });
});
