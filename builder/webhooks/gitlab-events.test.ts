import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InstallationEvent } from '../../core/forge-events.ts';
import { zeroSha } from '../../core/names.ts';
import { ForgeEvent } from '../../core/source-event.ts';
import { createIgnoredPushers } from './forge-values.ts';
import { GitLabArrival } from './gitlab-arrival.ts';
import { completeArrival, type GitLabRules, gitlabEventName, translateGitLab } from './gitlab-events.ts';
import { groupHookPush, projectAnswer, systemHook } from './gitlab-fixture.ts';
import { ProjectAnswer } from './gitlab-payloads.ts';
import type { Outcome } from './translation.ts';

const rules: GitLabRules = {
  baseUrl: 'https://gitlab.example.com',
  topic: 'towline',
  ignored: createIgnoredPushers(['project_4_bot']),
};

function translate(payload: unknown): Outcome[] {
  return translateGitLab({ id: 'gitlab-1', event: gitlabEventName(payload), payload }, rules);
}

function arrivalOf(payload: unknown): GitLabArrival {
  const [outcome] = translate(payload);
  assert.ok(outcome?.type === 'arrival', JSON.stringify(outcome));
  assert.deepEqual(GitLabArrival.parse(outcome.arrival), outcome.arrival);
  return outcome.arrival;
}

function complete(payload: unknown, project: object | null, more: Partial<GitLabRules> = {}): Outcome[] {
  const answer = project === null ? null : ProjectAnswer.parse(project);
  return completeArrival(arrivalOf(payload), answer, { ...rules, ...more });
}

function kindOf(outcome: Outcome): string {
  if (outcome.type === 'arrival') return `ask: ${outcome.arrival.kind}`;
  if (outcome.type === 'none') return 'nothing';
  if (outcome.type === 'source') {
    assert.deepEqual(ForgeEvent.parse(outcome.event), outcome.event);
    return outcome.event.type === 'push' ? 'push' : `removal (${outcome.event.reason})`;
  }
  assert.equal(outcome.type, 'installation');
  const { event } = outcome;
  assert.deepEqual(InstallationEvent.parse(event), event);
  if (event.type === 'account-renamed') return event.type;
  return event.type === 'repositories'
    ? `repositories ${event.change} (${event.reason})`
    : `${event.type} ${event.change}`;
}

/** As docs.gitlab.com documents them: what they come to at once, and after GitLab told of the project. */
const table: [string, unknown, string[], string[]?][] = [
  ['a push by a group hook', groupHookPush(), ['ask: push'], ['push']],
  ['a push by a system hook', systemHook('push'), ['ask: push'], ['push']],
  ['a pushed tag', systemHook('tag_push'), ['ask: push'], ['push']],
  ['project_create', systemHook('project_create'), ['ask: added'], ['repositories added (created)']],
  ['project_rename', systemHook('project_rename'), ['ask: renamed'], ['repository renamed']],
  [
    'project_transfer',
    systemHook('project_transfer'),
    ['ask: transferred'],
    ['repositories removed (transferred)', 'repositories added (transferred)'],
  ],
  ['project_update', systemHook('project_update'), ['ask: updated'], ['repositories added (chosen)']],
  ['project_destroy', systemHook('project_destroy'), ['repositories removed (deleted)']],
  ['group_rename', systemHook('group_rename'), ['account-renamed']],
  ['repository_update', systemHook('repository_update'), ['nothing']],
  ['group_destroy', systemHook('group_destroy'), ['nothing']],
  ['user_add_to_team', systemHook('user_add_to_team'), ['nothing']],
  ['a merge request', { object_kind: 'merge_request', event_type: 'merge_request' }, ['nothing']],
  ['a name of what every object has', { event_name: 'constructor' }, ['nothing']],
  ['a name that is none', { event_name: ['push'] }, ['nothing']],
  ['a payload that is none', null, ['nothing']],
];

describe('what GitLab documents', () => {
  for (const [title, payload, expected, then] of table) {
    it(`${title}: ${[...expected, ...(then ?? [])].join(', then ')}`, () => {
      assert.deepEqual(translate(payload).map(kindOf), expected);
      if (then) assert.deepEqual(complete(payload, projectAnswer()).map(kindOf), then);
    });
  }
});

describe('a push on GitLab', () => {
  it('is of the namespace that GitLab names by id, and of no display name', () => {
    const payload = groupHookPush();
    payload.project.name = 'Shown Name';
    payload.project.namespace = 'Shown Group';
    const [outcome] = complete(payload, projectAnswer());
    assert.deepEqual(outcome, {
      type: 'source',
      event: {
        type: 'push',
        id: 'gitlab-1',
        scm: 'gitlab',
        repository: {
          id: '15',
          name: 'shop.front',
          owner: 'acme-web-team',
          ownerId: '77',
          cloneUrl: 'https://gitlab.example.com/acme/web_team/shop.front.git',
          defaultBranch: 'main',
          private: true,
          path: 'acme/web_team/shop.front',
        },
        actor: { name: 'John Smith', email: 'john@example.com', login: 'jsmith' },
        ref: 'refs/heads/main',
        before: payload.before,
        after: payload.after,
      },
    });
    assert.ok(!JSON.stringify(outcome).includes('Shown'));
  });

  it('of a project without the topic takes it away, whatever the case of the topic', () => {
    const without = projectAnswer({ topics: ['other'] });
    const out = complete(groupHookPush(), without).map(kindOf);
    assert.deepEqual(out, ['repositories removed (opted-out)']);
    const old = projectAnswer({ topics: undefined, tag_list: ['TOWLINE'] });
    assert.deepEqual(complete(groupHookPush(), old).map(kindOf), ['push']);
    assert.deepEqual(complete(groupHookPush(), without, { topic: undefined }).map(kindOf), ['push']);
  });

  it('of a project that GitLab does not show us is nothing', () => {
    assert.deepEqual(complete(groupHookPush(), null).map(kindOf), ['nothing']);
  });

  it('is refused if GitLab answers with another project', () => {
    assert.throws(() => complete(groupHookPush(), projectAnswer({ id: 16 })), /does not fit together/);
  });

  it('is refused if its ids differ, or if it is of another GitLab', () => {
    const payload = groupHookPush();
    payload.project.id = 16;
    assert.throws(() => translate(payload), /"project\.id"/);
    const elsewhere = groupHookPush();
    elsewhere.project.git_http_url = 'https://gitlab.example.com.evil.example/acme/x.git';
    assert.throws(() => translate(elsewhere), /"project\.git_http_url"/);
  });

  it('of a group whose path gives another one’s slug keeps its own id', () => {
    const underscore = { id: 78, full_path: 'acme-web/team', kind: 'group' };
    const other = projectAnswer({
      namespace: underscore,
      path_with_namespace: 'acme-web/team/shop.front',
    });
    const owners = [projectAnswer(), other].map((project) => {
      const [outcome] = complete(groupHookPush(), project);
      assert.ok(outcome?.type === 'source');
      return [outcome.event.repository.owner, outcome.event.repository.ownerId];
    });
    assert.deepEqual(owners, [
      ['acme-web-team', '77'],
      ['acme-web-team', '78'],
    ]);
  });

  it('of a group with a path too long for a name, or a reserved one, says why nothing is deployed', () => {
    for (const full_path of [`${'a'.repeat(30)}/${'b'.repeat(30)}`, 'api']) {
      const project = projectAnswer({ namespace: { id: 9, full_path, kind: 'group' } });
      const [outcome] = complete(groupHookPush(), project);
      assert.ok(outcome?.type === 'source' && outcome.event.type === 'push');
      assert.match(outcome.event.skipped ?? '', /^its owner cannot be served/);
      assert.equal(outcome.event.repository.owner, 'unserved--gitlab-9');
    }
  });

  it('that deletes a branch says so by its ids', () => {
    const payload = { ...groupHookPush(), after: zeroSha };
    const [outcome] = complete(payload, projectAnswer());
    assert.ok(outcome?.type === 'source' && outcome.event.type === 'push');
    assert.equal(outcome.event.after, zeroSha);
  });

  it('of an ignored bot is recorded as skipped', () => {
    const [outcome] = complete({ ...groupHookPush(), user_username: 'project_4_bot' }, projectAnswer());
    assert.ok(outcome?.type === 'source' && outcome.event.type === 'push');
    assert.equal(outcome.event.skipped, 'pushes of project_4_bot deploy nothing');
  });

  it('without names or addresses is by its user all the same', () => {
    const payload = { ...groupHookPush(), user_name: null, user_email: '', user_username: undefined };
    const { actor } = arrivalOf(payload);
    assert.deepEqual(actor, {
      name: 'user-4',
      email: '4-noreply@gitlab.example.com',
      login: 'user-4',
    });
  });

  const wrong: [string, string, object][] = [
    ['a path that climbs', 'project.path_with_namespace', { path_with_namespace: 'acme/../root' }],
    ['a path that is an option', 'project.path_with_namespace', { path_with_namespace: '--x/y' }],
    ['a path with a line break', 'project.path_with_namespace', { path_with_namespace: 'a/b\nc' }],
    ['a path with another alphabet', 'project.path_with_namespace', { path_with_namespace: '\u0430cme/x' }],
    ['an id that is text', 'project.id', { id: '15' }],
  ];
  for (const [title, place, change] of wrong) {
    it(`is refused for ${title}, with the place and none of the content`, () => {
      const payload = groupHookPush();
      Object.assign(payload.project, change);
      assert.throws(
        () => translate(payload),
        (error: Error) => error.message === `the event is not valid at "${place}"`,
      );
    });
  }
});

describe('a change of a project on GitLab', () => {
  it('that opts out removes it', () => {
    const out = complete(systemHook('project_update'), projectAnswer({ topics: [] }));
    assert.deepEqual(out.map(kindOf), ['repositories removed (opted-out)']);
  });

  it('that archives it removes its functions', () => {
    const out = complete(systemHook('project_update'), projectAnswer({ archived: true }));
    assert.deepEqual(out.map(kindOf), ['removal (archived)']);
  });
});
