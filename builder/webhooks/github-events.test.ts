import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InstallationEvent, RebuildRequest } from '../../core/forge-events.ts';
import { ForgeEvent, PushEvent } from '../../core/source-event.ts';
import { createIgnoredPushers } from './forge-values.ts';
import { type GitHubRules, translateGitHub } from './github-events.ts';
import { definitions, githubExample as example } from './github-fixture.ts';
import type { Outcome } from './translation.ts';

type Payload = Record<string, unknown>;
const rules: GitHubRules = { baseUrl: 'https://github.com', ignored: createIgnoredPushers([]) };
const sha = 'a'.repeat(40);

function translate(event: string, payload: unknown, more: Partial<GitHubRules> = {}): Outcome[] {
  return translateGitHub({ id: 'github-1', event, payload }, { ...rules, ...more });
}

/** What an outcome is, in a word, as the table of docs/webhooks.md says it. */
function kindOf(outcome: Outcome): string {
  if (outcome.type === 'source') {
    assert.deepEqual(ForgeEvent.parse(outcome.event), outcome.event);
    return outcome.event.type === 'push' ? 'push' : `removal (${outcome.event.reason})`;
  }
  if (outcome.type === 'installation') {
    const { event } = outcome;
    assert.deepEqual(InstallationEvent.parse(event), event);
    if (event.type === 'account-renamed') return event.type;
    return event.type === 'repositories'
      ? `repositories ${event.change} (${event.reason})`
      : `${event.type} ${event.change}`;
  }
  if (outcome.type === 'rebuild') {
    assert.deepEqual(RebuildRequest.parse(outcome.request), outcome.request);
    return 'rebuild';
  }
  assert.equal(outcome.type, 'none');
  return 'nothing';
}

/** Every other event and action is nothing. Of the examples, transfers come with and without an installation. */
const table: Record<string, string[]> = {
  push: ['push'],
  'repository.renamed': ['repository renamed'],
  'repository.privatized': ['repository privatized'],
  'repository.publicized': ['repository publicized'],
  'repository.edited, default branch': ['repository edited'],
  'repository.transferred': ['repositories removed (transferred)'],
  'repository.transferred, installed': [
    'repositories removed (transferred)',
    'repositories added (transferred)',
  ],
  'installation.created': ['installation created'],
  'installation.deleted': ['installation deleted'],
  'installation.suspend': ['installation suspended'],
  'installation.unsuspend': ['installation unsuspended'],
  'installation.new_permissions_accepted': ['installation permissions-accepted'],
  'installation_repositories.added': ['repositories added (chosen)'],
  'installation_repositories.removed': ['repositories removed (chosen)'],
  'organization.renamed': ['account-renamed'],
  'check_run.rerequested': ['rebuild'],
  'check_suite.rerequested': ['rebuild'],
};

/** Written by hand, with an owner that is not the one of the full name. */
const contradicting = new Set(['repository.privatized 7', 'repository.publicized 9']);

/** The row of an example: of some actions it depends on more than their name. */
function rowOf(name: string, payload: Payload): string {
  if (payload['action'] === undefined) return name;
  const action = `${name}.${payload['action']}`;
  if (action === 'repository.transferred' && payload['installation']) return `${action}, installed`;
  const changes = payload['changes'] as Payload | undefined;
  return action === 'repository.edited' && changes?.['default_branch'] ? `${action}, default branch` : action;
}

describe("what GitHub's own examples come to", () => {
  for (const { name, examples } of definitions) {
    for (const [index, each] of (examples as unknown as Payload[]).entries()) {
      const row = rowOf(name, each);
      if (contradicting.has(`${row} ${index + 1}`)) {
        it(`${row}, example ${index + 1}: refused, since it contradicts itself`, () => {
          assert.throws(() => translate(name, each), /does not fit together at "repository\.full_name"/);
        });
        continue;
      }
      const expected = table[row] ?? ['nothing'];
      it(`${row}, example ${index + 1}: ${expected.join(', then ')}`, () => {
        assert.deepEqual(translate(name, each).map(kindOf), expected);
      });
    }
  }

  it('has an example of all that the table names', () => {
    const rows = definitions.flatMap(({ name, examples }) =>
      (examples as unknown as Payload[]).map((each) => rowOf(name, each)),
    );
    for (const row of Object.keys(table)) assert.ok(rows.includes(row), row);
  });
});

describe('what GitHub documents and gives no example of', () => {
  const repository = (action: string, more: Payload = {}) => ({
    ...example('repository', 'renamed'),
    action,
    ...more,
  });
  const cases: [string, string, unknown, string[]][] = [
    ['a deleted repository', 'repository', repository('deleted'), ['repositories removed (deleted)']],
    ['an archived repository', 'repository', repository('archived'), ['repositories removed (archived)']],
    ['an unarchived repository', 'repository', repository('unarchived'), ['repositories added (unarchived)']],
    [
      'another default branch',
      'repository',
      repository('edited', { changes: { default_branch: { from: 'old' } } }),
      ['repository edited'],
    ],
    [
      'another account name',
      'installation_target',
      {
        action: 'renamed',
        account: { id: 7, login: 'new-name', type: 'User' },
        changes: { login: { from: 'old-name' } },
        target_type: 'User',
        sender: { id: 7, login: 'new-name', type: 'User' },
      },
      ['account-renamed'],
    ],
    [
      'our button on a check',
      'check_run',
      { ...example('check_run', 'requested_action'), requested_action: { identifier: 'rebuild' } },
      ['rebuild'],
    ],
    ['an action that is to come', 'repository', repository('toasted'), ['nothing']],
    ['an event that is to come', 'toast', { action: 'toasted' }, ['nothing']],
    ['an event without a name', '', {}, ['nothing']],
    ['names of what every object has', 'constructor', { action: 'constructor' }, ['nothing']],
    ['a payload that is none', 'ping', null, ['nothing']],
  ];
  for (const [title, event, payload, expected] of cases) {
    it(`${title}: ${expected.join(', ')}`, () => {
      assert.deepEqual(translate(event, payload).map(kindOf), expected);
    });
  }
});

function pushed(change: (payload: ReturnType<typeof pushPayload>) => void = () => {}) {
  const payload = pushPayload();
  change(payload);
  return payload;
}

function pushPayload() {
  const payload = example('push') as unknown as {
    ref: string;
    before: string;
    after: string;
    repository: Payload & { owner: Payload };
    sender: Payload;
    pusher: Payload;
    installation?: unknown;
    head_commit: { author: Payload } | null;
  };
  return Object.assign(payload, { ref: 'refs/heads/master', before: sha, after: 'b'.repeat(40) });
}

function onlyPush(outcomes: Outcome[]) {
  const [outcome] = outcomes;
  assert.ok(outcome?.type === 'source' && outcome.event.type === 'push', JSON.stringify(outcomes));
  return outcome.event;
}

describe('a push on GitHub', () => {
  it('is ours, with ids as identities and a clone URL of our own making', () => {
    const payload = pushed((it) => Object.assign(it, { installation: { id: 99 } }));
    assert.deepEqual(onlyPush(translate('push', payload)), {
      type: 'push',
      id: 'github-1',
      scm: 'github',
      repository: {
        id: '186853002',
        name: 'Hello-World',
        owner: 'codertocat',
        ownerId: '21031067',
        cloneUrl: 'https://github.com/Codertocat/Hello-World.git',
        defaultBranch: 'master',
        private: false,
        path: 'Codertocat/Hello-World',
      },
      actor: {
        name: 'Codertocat',
        email: '21031067+Codertocat@users.noreply.github.com',
        login: 'Codertocat',
      },
      ref: 'refs/heads/master',
      before: sha,
      after: 'b'.repeat(40),
      installationId: '99',
    });
  });

  it('clones from the configured forge only, and refuses a payload that names another', () => {
    const baseUrl = 'https://github.acme.example';
    assert.throws(() => translate('push', pushed(), { baseUrl }), /repository\.clone_url/);
    for (const url of ['https://evil.example/a/b.git', 'https://github.com@evil.example/', 'nonsense']) {
      const payload = pushed((it) => Object.assign(it.repository, { clone_url: url }));
      assert.throws(() => translate('push', payload), /repository\.clone_url/, url);
    }
    const payload = pushed((it) =>
      Object.assign(it.repository, {
        git_url: 'git://evil.example/a.git',
        ssh_url: 'root@evil.example:a.git',
        url: 'http://evil.example',
      }),
    );
    assert.ok(!JSON.stringify(translate('push', payload)).includes('evil'));
  });

  it('is refused if its full name is not its owner and its name', () => {
    for (const full_name of ['Mallory/Hello-World', 'Codertocat/Other']) {
      const payload = pushed((it) => Object.assign(it.repository, { full_name }));
      assert.throws(() => translate('push', payload), /repository\.full_name/);
    }
  });

  const wrong: [string, string, (payload: ReturnType<typeof pushPayload>) => void][] = [
    ['an id that is text', 'repository.id', (it) => Object.assign(it.repository, { id: '1' })],
    ['an id that is no whole number', 'repository.id', (it) => Object.assign(it.repository, { id: 1.5 })],
    ['an id too large to be exact', 'repository.id', (it) => Object.assign(it.repository, { id: 2 ** 60 })],
    ['a negative id', 'repository.owner.id', (it) => Object.assign(it.repository.owner, { id: -1 })],
    ['a list for an owner', 'repository.owner', (it) => Object.assign(it.repository, { owner: [] })],
    ['a commit that is a branch', 'after', (it) => Object.assign(it, { after: 'main' })],
    ['a commit that is an option', 'before', (it) => Object.assign(it, { before: '--upload-pack=x' })],
    ['no ref', 'ref', (it) => Object.assign(it, { ref: undefined })],
    ['a ref with NUL', 'ref', (it) => Object.assign(it, { ref: 'refs/heads/a\u0000b' })],
    ['a ref with a line break', 'ref', (it) => Object.assign(it, { ref: 'refs/heads/a\r\nX-Evil: 1' })],
    ['a ref that climbs', 'ref', (it) => Object.assign(it, { ref: 'refs/heads/../../x' })],
    ['a ref that is no full one', 'ref', (it) => Object.assign(it, { ref: 'master' })],
    ['a broken letter in a ref', 'ref', (it) => Object.assign(it, { ref: 'refs/heads/\ud800' })],
    [
      'a login that is a path',
      'repository.owner.login',
      (it) => Object.assign(it.repository.owner, { login: '../x' }),
    ],
    ['a name that is a path', 'repository.name', (it) => Object.assign(it.repository, { name: 'a/b' })],
    ['an enormous pusher', 'pusher.name', (it) => Object.assign(it.pusher, { name: 'x'.repeat(5000) })],
  ];
  for (const [title, place, change] of wrong) {
    it(`is refused for ${title}, with the place and none of the content`, () => {
      assert.throws(
        () => translate('push', pushed(change)),
        (error: Error) => error.message === `the event is not valid at "${place}"`,
      );
    });
  }

  it('cannot write what is not shown into names', () => {
    const payload = pushed((it) =>
      Object.assign(it.pusher, {
        name: 'Eve\u202e\r\nTowline-Actor: root\u0000\u200b\ud800',
        email: 'e@x\r\nBcc: y',
      }),
    );
    const { actor } = onlyPush(translate('push', payload));
    assert.equal(actor.name, 'Eve Towline-Actor: root \ufffd');
    assert.equal(actor.email, 'e@x Bcc: y');
    const nameless = pushed((it) => Object.assign(it.pusher, { name: '\u200b\u202e', email: null }));
    assert.deepEqual(onlyPush(translate('push', nameless)).actor, {
      name: 'Codertocat',
      email: '21031067+Codertocat@users.noreply.github.com',
      login: 'Codertocat',
    });
  });

  it('to a ref whose name hides something is nothing; one that only looks like another is another', () => {
    for (const name of ['ma\u200bin', '\u202eniam', 'main\ufeff']) {
      assert.deepEqual(
        translate(
          'push',
          pushed((it) => Object.assign(it, { ref: `refs/heads/${name}` })),
        ),
        [{ type: 'none', reason: 'the name of the ref has characters that cannot be shown' }],
      );
    }
    const cyrillic = pushed((it) => Object.assign(it, { ref: 'refs/heads/m\u0430ster' }));
    assert.notEqual(onlyPush(translate('push', cyrillic)).ref, 'refs/heads/master');
  });

  it('reads nothing from prototypes, and the last of two keys', () => {
    const text = JSON.stringify(pushed());
    const polluted = JSON.parse(`${text.slice(0, -1)},"__proto__":{"after":"x","skipped":"y"}}`);
    assert.equal(onlyPush(translate('push', polluted)).skipped, undefined);
    assert.equal(({} as Payload)['after'], undefined);
    const only = JSON.parse('{"__proto__":{"ref":"refs/heads/x"}}');
    assert.throws(() => translate('push', only), /not valid at "(sender|ref)"/);
    const twice = JSON.parse(`${text.slice(0, -1)},"after":"${'c'.repeat(40)}"}`);
    assert.equal(onlyPush(translate('push', twice)).after, 'c'.repeat(40));
  });

  it('of a bot that is to be ignored is recorded as skipped, by its sender or its author', () => {
    const own = createIgnoredPushers(['towline[bot]']);
    const every = createIgnoredPushers(['*[bot]']);
    const bySender = pushed((it) => Object.assign(it.sender, { login: 'Towline[bot]', type: 'Bot' }));
    assert.equal(
      onlyPush(translate('push', bySender, { ignored: own })).skipped,
      'pushes of Towline[bot] deploy nothing',
    );
    const other = pushed((it) => Object.assign(it.sender, { login: 'renovate[bot]' }));
    assert.equal(onlyPush(translate('push', other, { ignored: own })).skipped, undefined);
    assert.ok(onlyPush(translate('push', other, { ignored: every })).skipped);
    const queued = pushed((it) => Object.assign(it.sender, { login: 'github-merge-queue[bot]' }));
    assert.equal(onlyPush(translate('push', queued, { ignored: every })).skipped, undefined);
    const named = createIgnoredPushers(['github-merge-queue[bot]']);
    assert.ok(onlyPush(translate('push', queued, { ignored: named })).skipped);
    const byAuthor = pushed((it) => {
      it.head_commit = { author: { username: 'towline[bot]' } };
    });
    assert.ok(onlyPush(translate('push', byAuthor, { ignored: own })).skipped);
    const merged = pushed((it) => {
      it.head_commit = { author: { username: 'dependabot[bot]' } };
    });
    // A person merged what a bot wrote.
    assert.equal(onlyPush(translate('push', merged, { ignored: every })).skipped, undefined);
  });

  it('of an owner or a repository that can have no name here says why nothing is deployed', () => {
    const reserved = pushed((it) => {
      Object.assign(it.repository.owner, { login: 'admin' });
      Object.assign(it.repository, { full_name: 'admin/Hello-World' });
    });
    const dotted = pushed((it) =>
      Object.assign(it.repository, { name: '.github', full_name: 'Codertocat/.github' }),
    );
    const [one, other] = [reserved, dotted].map((payload) =>
      PushEvent.parse(onlyPush(translate('push', payload))),
    );
    assert.match(one?.skipped ?? '', /its owner cannot be served: "admin" is reserved/);
    assert.match(one?.repository.owner ?? '', /^unserved--github-\d+$/);
    assert.equal(other?.skipped, 'its name cannot be served');
    assert.match(other?.repository.name ?? '', /^unserved--\d+$/);
  });
});

describe('what GitHub tells of others', () => {
  it('takes a transferred repository from whoever had it, not from where it is now', () => {
    const [gone] = translate('repository', example('repository', 'transferred'));
    assert.ok(gone?.type === 'installation' && gone.event.type === 'repositories');
    assert.deepEqual([gone.event.change, gone.event.installation], ['removed', null]);
  });

  it('is refused if an installation lists repositories of another account', () => {
    for (const [event, action, list] of [
      ['installation', 'created', 'repositories'],
      ['installation_repositories', 'added', 'repositories_added'],
    ] as const) {
      const payload = example(event, action);
      payload[list] = [{ id: 5, name: 'x', full_name: 'mallory/x', private: false }];
      assert.throws(() => translate(event, payload), new RegExp(`${list}\\.0\\.full_name`));
    }
  });

  it("is refused or ignored if it is another App's", () => {
    const payload = example('installation', 'created');
    assert.throws(() => translate('installation', payload, { appId: '1' }), /installation\.app_id/);
    const check = example('check_run', 'rerequested');
    assert.deepEqual(translate('check_run', check, { appId: '1' }), [
      { type: 'none', reason: 'the check is not ours' },
    ]);
    assert.equal(translate('check_run', check, { appId: '2' })[0]?.type, 'rebuild');
  });

  it('comes in parts with ids of their own when an installation has very many repositories', () => {
    const payload = example('installation', 'created');
    payload['repositories'] = Array.from({ length: 2500 }, (_, index) => ({
      id: index + 1,
      name: `r${index}`,
      full_name: `Codertocat/r${index}`,
      private: true,
    }));
    const outcomes = translate('installation', payload);
    assert.deepEqual(outcomes.map(kindOf), [
      'installation created',
      'repositories added (chosen)',
      'repositories added (chosen)',
    ]);
    const events = outcomes.map((each) => (each.type === 'installation' ? each.event : undefined));
    assert.deepEqual(
      events.map((each) => each?.id),
      ['github-1', 'github-1+1', 'github-1+2'],
    );
    const count = events.map((each) => (each && 'repositories' in each ? each.repositories.length : 0));
    assert.deepEqual(count, [1000, 1000, 500]);
  });
});
