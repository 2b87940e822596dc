import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { createLogger } from '../../runtime/logger.ts';
import { commitTo } from '../../test/forges/forge-platform.ts';
import { stackFiles } from '../pipeline/platform-in-memory.test.ts';
import type { GitLabArrival } from '../webhooks/gitlab-arrival.ts';
import { createGitLabProjects } from '../webhooks/gitlab-projects.ts';
import { startGitLabPlatform } from './gitlab-platform-fixture.ts';
import { createGitLabSurvey } from './gitlab-survey.ts';
import { startProjectsApi } from './gitlab-survey-fixture.ts';
import { createSqliteInstallationStore } from './installation-store-sqlite.ts';

const shop = {
  ...{ id: 15, path: 'shop', path_with_namespace: 'acme/shop', visibility: 'public', archived: false },
  ...{ topics: ['towline'], namespace: { id: 77, kind: 'group', full_path: 'acme' } },
};
const { signal } = new AbortController();

async function bed(customers: (owner: string) => boolean = () => true, path = 'acme') {
  const api = await startProjectsApi();
  const store = createSqliteInstallationStore(new DatabaseSync(':memory:'));
  const told: GitLabArrival[] = [];
  const time = { now: 1000 };
  const survey = createGitLabSurvey({
    store,
    projects: createGitLabProjects({ baseUrl: api.url, token: async () => 'glpat-1' }),
    rules: { baseUrl: api.url, topic: 'towline' },
    paths: [path],
    isCustomers: ({ repository }) => customers(repository.owner),
    arrive: async (arrival) => void told.push(arrival),
    graceMs: 500,
    logger: createLogger({ level: 'debug', name: 'survey' }, { write: () => {} }),
    now: () => time.now,
  });
  const know = (ownerId = '77') =>
    store.putRepository({
      ...{ scm: 'gitlab', id: '15', ownerId, name: 'shop', path: 'acme/shop', private: false },
      ...{ installationId: null, removeAt: null },
    });
  return {
    ...{ api, store, told, know },
    look: () => survey(signal),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

const kinds = (told: GitLabArrival[]) => told.map(({ kind, projectId }) => `${kind} ${projectId}`);

describe('a survey of GitLab', () => {
  it("tells of projects that are new here, on whatever page, if they are served and a customer's", async () => {
    await using fresh = await bed((owner) => owner === 'acme');
    for (let id = 100; id < 220; id += 1) fresh.api.projects.set(id, { ...shop, id, topics: [] });
    const other = { ...shop, id: 300, namespace: { id: 9, kind: 'group', full_path: 'other' } };
    fresh.api.projects.set(300, other);
    fresh.api.projects.set(301, { ...shop, id: 301, path_with_namespace: '..' });
    fresh.api.projects.set(15, shop);
    await fresh.look();
    assert.deepEqual(kinds(fresh.told), ['added 15']);
  });

  it('tells of what was archived, opted out or moved, and of nothing that is as it was', async () => {
    for (const [change, kind] of [
      [{}, []],
      [{ archived: true }, ['updated 15']],
      [{ topics: [] }, ['updated 15']],
      [{ namespace: { id: 78, kind: 'group', full_path: 'beta' } }, ['transferred 15']],
    ] as const) {
      await using known = await bed();
      known.know();
      known.api.projects.set(15, { ...shop, ...change });
      await known.look();
      assert.deepEqual(kinds(known.told), kind, JSON.stringify(change));
    }
  });

  it('gives a project that GitLab shows no more its grace time, and takes that back', async () => {
    await using known = await bed();
    known.know();
    const removeAt = () => known.store.repository('gitlab', '15')?.removeAt;
    known.api.faults.status = 401;
    await known.look();
    assert.equal(removeAt(), null, 'a bad token says nothing');
    known.api.faults.status = 0;
    await known.look();
    await known.look();
    assert.equal(removeAt(), 1500);
    known.api.projects.set(15, shop);
    await known.look();
    assert.equal(removeAt(), null);
    assert.deepEqual(
      known.told.map(({ kind }) => kind),
      [],
    );
  });

  it('asks for the project itself where the token is one of a project', async () => {
    await using fresh = await bed(undefined, 'acme/shop');
    fresh.api.byPath.set('acme/shop', shop);
    await fresh.look();
    assert.deepEqual(kinds(fresh.told), ['added 15']);
  });

  it('builds a project whose hooks never came, and takes away what was archived unheard', async () => {
    const path = process.env['PATH'] ?? '';
    await using platform = await startGitLabPlatform({ path, paths: ['acme'], config: { compareMs: 100 } });
    async function until(isSo: () => boolean): Promise<void> {
      const end = performance.now() + 120_000;
      while (!isSo()) {
        if (performance.now() > end) throw new Error('waited in vain');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    const { after } = commitTo(platform.bare, stackFiles({ hello: 'one' }));
    await until(() => platform.live() === after);
    platform.gitlab.project.archived = true;
    await until(() => platform.functions().length === 0);
  });
});
