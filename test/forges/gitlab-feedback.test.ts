import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { createFeedback } from '../../builder/feedback/feedback.ts';
import { deployRecord, pushRecord } from '../../builder/feedback/record-fixture.ts';
import { createGitLabDeployments } from '../../builder/feedback/status-reporter-gitlab-deployments.ts';
import { createGitLabStatuses } from '../../builder/feedback/status-reporter-gitlab-statuses.ts';
import type { PushRecord } from '../../core/deploy.ts';
import type { SourceEvent } from '../../core/source-event.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createSqliteOutbox } from '../../runtime/outbox/outbox-sqlite.ts';
import { startGitLabDouble } from './gitlab-double.ts';

const commit = 'a'.repeat(40);
const event: SourceEvent = {
  type: 'push',
  id: 'p1',
  scm: 'gitlab',
  repository: {
    id: '42',
    name: 'shop',
    owner: 'acme-team',
    ownerId: '9',
    cloneUrl: 'https://gitlab.example.org/acme/team/shop.git',
    defaultBranch: 'main',
    private: true,
    path: 'acme/team/shop',
  },
  actor: { name: 'Alice', email: '', login: 'alice' },
  ref: 'refs/heads/main',
  before: '0'.repeat(40),
  after: commit,
};

async function startSubject() {
  const gitlab = await startGitLabDouble([{ id: 42, path: 'acme/team/shop', tokens: ['glpat-1'] }]);
  const database = new DatabaseSync(':memory:');
  const events = createEventBus();
  const kept: PushRecord[] = [];
  const config = {
    baseUrl: gitlab.origin,
    token: async (path: string) => (path === 'acme/team/shop' ? 'glpat-1' : undefined),
  };
  const open = () =>
    createFeedback(
      {
        origin: 'https://towline.example.org',
        reporters: {
          'gitlab-statuses': createGitLabStatuses(config),
          'gitlab-deployments': createGitLabDeployments(config),
        },
        retry: { firstMs: 2, maxMs: 10 },
      },
      {
        outbox: createSqliteOutbox(database),
        events,
        logger: createLogger({ level: 'silent', name: 't' }),
        functionUrl: (owner, name) => `https://${owner}.example.org/${name}`,
        deliveryOf: async () => ({ event }),
        changedSince: () => kept,
        ahead: () => 0,
        async *log() {},
        now: Date.now,
      },
    );
  let feedback = open();
  return {
    gitlab,
    kept,
    feedback: () => feedback,
    async change(push: PushRecord) {
      events.publish({ type: 'push.changed', owner: push.owner, ownerId: push.ownerId, push });
      await feedback.settled();
    },
    async restart() {
      await feedback[Symbol.asyncDispose]();
      feedback = open();
      await feedback.start();
      await feedback.settled();
    },
    async [Symbol.asyncDispose]() {
      await feedback[Symbol.asyncDispose]();
      database.close();
      await gitlab[Symbol.asyncDispose]();
    },
  };
}

const at = Date.now() + 60_000;
const times = { createdAt: at, updatedAt: at + 12_300 };
const hello = (more = {}) => deployRecord({ ...times, ...more });
const push = (more: Partial<PushRecord> = {}) => pushRecord({ ...times, owner: 'acme-team', ...more });

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + 120_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('what GitLab shows of a push', () => {
  it('goes from pending over running to success, with an environment and its URL', async () => {
    await using subject = await startSubject();
    const { state } = subject.gitlab;
    await subject.change(push({ state: 'queued' }));
    await subject.change(push({ state: 'running', deploys: [hello({ state: 'building' })] }));
    await subject.change(push({ deploys: [hello({ owner: 'acme-team' })] }));
    assert.deepEqual(
      state.statuses.map(({ name, history, sha, ref }) => [name, history.join(), sha, ref]),
      [
        ['towline', 'pending,running,success', commit, 'main'],
        ['towline/hello', 'running,success', commit, 'main'],
      ],
    );
    for (const status of state.statuses) {
      assert.equal(status.targetUrl, 'https://towline.example.org/acme-team/pushes/p1');
      assert.match(status.description ?? '', /^Live in 12\.3 s$/);
    }
    assert.deepEqual(
      state.environments.map(({ name, externalUrl }) => [name, externalUrl]),
      [['production/hello', 'https://acme-team.example.org/hello']],
    );
    assert.deepEqual(
      state.deployments.map(({ status, sha }) => [status, sha]),
      [['success', commit]],
    );
  });

  it('shows no red cross for what was skipped, and makes no deployment of it', async () => {
    await using subject = await startSubject();
    await subject.change(push({ note: 'skipped: tags are not deployed' }));
    const [status] = subject.gitlab.state.statuses;
    assert.deepEqual([status?.state, status?.description], ['success', 'Skipped: tags are not deployed']);
    assert.equal(subject.gitlab.state.deployments.length, 0);
  });

  it('is told after an outage and a limit, also of what the outbox never heard', async () => {
    await using subject = await startSubject();
    const { gitlab, kept } = subject;
    gitlab.faults.failing = true;
    await subject.change(push({ state: 'running', deploys: [hello({ state: 'building' })] }));
    // As after a death: its end is in the records, and no event ever told of it.
    kept.push(
      push({
        deploys: [hello({ state: 'failed', stage: 'build', cause: { code: 'build_failed', message: 'no' } })],
      }),
    );
    await subject.restart();
    assert.equal(gitlab.state.statuses.length, 0);
    gitlab.limit(Date.now() + 1500);
    gitlab.faults.failing = false;
    await until('the end is told', () => subject.feedback().counts().waiting === 0);
    assert.deepEqual(
      gitlab.state.statuses.map(({ name, state, description }) => [name, state, description]),
      [
        ['towline', 'failed', 'Build failed: no'],
        ['towline/hello', 'failed', 'Build failed: no'],
      ],
    );
    assert.ok(gitlab.calls.some(({ status }) => status === 429));
    const asked = gitlab.calls.length;
    await subject.restart();
    assert.equal(gitlab.calls.length, asked, 'what was told is told again');
  });
});
