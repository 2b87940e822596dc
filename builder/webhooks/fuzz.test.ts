import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TowlineError } from '../../core/errors.ts';
import { InstallationEvent, RebuildRequest } from '../../core/forge-events.ts';
import { ForgeEvent } from '../../core/source-event.ts';
import { createIgnoredPushers } from './forge-values.ts';
import { translateGitea } from './gitea-events.ts';
import { translateGitHub } from './github-events.ts';
import { definitions } from './github-fixture.ts';
import { GitLabArrival } from './gitlab-arrival.ts';
import { completeArrival, gitlabEventName, translateGitLab } from './gitlab-events.ts';
import { groupHookPush, projectAnswer, systemHook } from './gitlab-fixture.ts';
import { ProjectAnswer } from './gitlab-payloads.ts';
import { hmac, secrets, startIntake } from './intake-fixture.ts';
import type { Outcome } from './translation.ts';

type Path = (string | number)[];

const hostile = fc.oneof(
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  fc.constantFrom<unknown>(
    ...[null, [], {}, -1, 0, 1.5, 2 ** 53, '', '\u0000', '../..', '--option', 'refs/heads/\u202emain'],
    ...['refs/heads/a\r\nb', 'https://evil.example/x.git', 'constructor', '\ud800', 'x'.repeat(5000)],
    ...['__proto__', 'admin', 'a/b/c', '\u0430lice', { toString: 1 }, { length: 3 }],
  ),
  fc.string({ unit: 'binary', maxLength: 400 }),
);

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, each]) => pathsOf(each, [...path, key]))];
}

/** As JSON carries it, with another value, or none, at one place. */
function withValue(payload: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const copy = { ...(payload as Record<string, unknown>) };
  Object.defineProperty(copy, key, {
    value: withValue(copy[key], rest, value),
    ...{ enumerable: true, writable: true, configurable: true },
  });
  return copy;
}

/** One of the payloads with up to three of its values replaced. */
function mutated(payloads: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.constantFrom(...payloads).chain((payload) => {
    const paths = pathsOf(payload);
    const change = fc.tuple(fc.constantFrom(...paths), fc.option(hostile, { nil: undefined }));
    return fc
      .array(change, { minLength: 1, maxLength: 3 })
      .map((changes) =>
        changes.reduce<unknown>((done, [path, value]) => {
          try {
            return withValue(done, path, value);
          } catch {
            return done;
          }
        }, payload),
      )
      .map((made) => JSON.parse(JSON.stringify(made) ?? 'null'));
  });
}

function assertOurs(outcome: Outcome, host: string): void {
  if (outcome.type === 'source') {
    assert.deepEqual(ForgeEvent.parse(outcome.event), outcome.event);
    const { repository, actor } = outcome.event;
    assert.equal(new URL(repository.cloneUrl).host, host);
    assert.ok(!repository.cloneUrl.includes('..'));
    assert.doesNotMatch(
      JSON.stringify([repository, actor.name, actor.email]),
      /\\[rnu]|[\u202a-\u202e\u200b]/,
    );
  }
  if (outcome.type === 'installation')
    assert.deepEqual(InstallationEvent.parse(outcome.event), outcome.event);
  if (outcome.type === 'rebuild') assert.deepEqual(RebuildRequest.parse(outcome.request), outcome.request);
  if (outcome.type === 'arrival') assert.deepEqual(GitLabArrival.parse(outcome.arrival), outcome.arrival);
}

/** It comes to valid events of ours, or is refused with a place; nothing else ever happens. */
function assertSound(translate: () => Outcome[], host: string): void {
  let outcomes: Outcome[];
  try {
    outcomes = translate();
  } catch (error) {
    assert.ok(error instanceof TowlineError && error.code === 'bad_request', String(error));
    assert.match(error.message, /^the event (is not valid|does not fit together) at "[\w.]*"$/);
    return;
  }
  assert.ok(outcomes.length > 0);
  for (const outcome of outcomes) assertOurs(outcome, host);
}

const ignored = createIgnoredPushers([]);
const github = definitions.flatMap(({ name, examples }) =>
  ['push', 'installation', 'installation_repositories', 'check_run', 'check_suite', 'organization'].includes(
    name,
  ) || name === 'repository'
    ? (examples as unknown[]).map((payload) => ({ event: name, payload }))
    : [],
);
const gitlab = [
  groupHookPush(),
  ...['push', 'tag_push', 'project_create', 'project_rename', 'project_transfer', 'group_rename'].map(
    systemHook,
  ),
];
const gitea = [
  {
    ...{ action: 'deleted', ref: 'refs/heads/develop', before: 'a'.repeat(40), after: 'b'.repeat(40) },
    repository: {
      ...{ id: 140, name: 'webhooks', full_name: 'gitea/webhooks', private: false },
      ...{ default_branch: 'develop', clone_url: 'https://codeberg.example/gitea/webhooks.git' },
      owner: { id: 1, login: 'gitea', full_name: 'G', email: 'g@codeberg.example' },
    },
    sender: { id: 1, login: 'gitea', full_name: 'G', email: 'g@codeberg.example' },
  },
];

describe('whatever a signed payload holds', () => {
  it('GitHub’s comes to valid events, or is refused with the place', () => {
    const cases = fc
      .constantFrom(...github)
      .chain(({ event, payload }) => mutated([payload]).map((made) => ({ event, payload: made })));
    fc.assert(
      fc.property(cases, ({ event, payload }) => {
        const rules = { baseUrl: 'https://github.com', ignored };
        assertSound(() => translateGitHub({ id: 'github-1', event, payload }, rules), 'github.com');
      }),
      { numRuns: 1500 },
    );
  });

  it('GitLab’s comes to valid events, or is refused with the place, also by what its API answers', () => {
    const host = 'gitlab.example.com';
    const rules = { baseUrl: `https://${host}`, topic: undefined, ignored };
    const cases = fc.tuple(mutated(gitlab), mutated([projectAnswer()]));
    fc.assert(
      fc.property(cases, ([payload, project]) => {
        const delivery = { id: 'gitlab-1', event: gitlabEventName(payload), payload };
        const translate = () => translateGitLab(delivery, rules);
        assertSound(translate, host);
        const answer = ProjectAnswer.safeParse(project);
        if (!answer.success) return;
        const complete = (outcome: Outcome) =>
          outcome.type === 'arrival' ? completeArrival(outcome.arrival, answer.data, rules) : [outcome];
        assertSound(() => translate().flatMap(complete), host);
      }),
      { numRuns: 1500 },
    );
  });

  it('Gitea’s comes to valid events, or is refused with the place', () => {
    const cases = fc.tuple(fc.constantFrom('push', 'repository'), mutated(gitea));
    fc.assert(
      fc.property(cases, ([event, payload]) => {
        const rules = { baseUrl: 'https://codeberg.example', ignored };
        assertSound(() => translateGitea({ id: 'git-1', event, payload }, rules), 'codeberg.example');
      }),
      { numRuns: 1000 },
    );
  });
});

describe('whatever comes over HTTP', () => {
  it('is never a fault of ours, and is kept only if it is signed and valid', async () => {
    await using intake = await startIntake();
    const body = fc.oneof(
      mutated(github.map(({ payload }) => payload)).map((payload) => Buffer.from(JSON.stringify(payload))),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.nat(5000).map((depth) => Buffer.from('['.repeat(depth))),
    );
    const header = fc.oneof(fc.constantFrom('push', 'installation', 'x'.repeat(2000), ''), fc.base64String());
    const cases = fc.record({
      path: fc.constantFrom('github', 'git', 'gitlab', 'github/', 'git/../github', ''),
      body,
      isSigned: fc.boolean(),
      event: fc.oneof(fc.constantFrom('push', 'installation', 'repository'), header),
      delivery: fc.oneof(fc.uuid(), header),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ path, body, isSigned, event, delivery }) => {
        const before = intake.kept();
        const response = await intake.post(path, body, {
          'x-github-event': event,
          'x-github-delivery': delivery,
          'x-hub-signature-256': `sha256=${hmac(body, isSigned ? secrets.github : 'guess')}`,
          'x-gitlab-token': isSigned ? 'x' : '',
        });
        await response.arrayBuffer();
        assert.ok([202, 400, 401, 404].includes(response.status), String(response.status));
        if (response.status !== 202 || !isSigned) assert.equal(intake.kept(), before);
      }),
      { numRuns: 400 },
    );
  });
});
