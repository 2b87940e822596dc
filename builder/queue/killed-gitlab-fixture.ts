/** Two groups on a GitLab and their projects: what happens to them, and what GitLab's hooks tell of it. */
import { randomUUID } from 'node:crypto';
import { startProjectsApi } from '../installations/gitlab-survey-fixture.ts';
import { projectAnswer, systemHook } from '../webhooks/gitlab-fixture.ts';
import {
  createForgeRepository,
  type Forge,
  type ForgeRepository,
  type ForgeSurroundings,
} from './killed-forge-repository-fixture.ts';
import { oneOf } from './killed-process-fixture.ts';

export const gitlabSecret = 'gitlab-secret';
export const gitlabTopic = 'towline';

interface Project extends ForgeRepository {
  number: number;
  path: string;
  group: { id: number; path: string };
  isArchived: boolean;
  hasTopic: boolean;
  isGone: boolean;
}

interface Told {
  payload: object;
  key: string;
  pushed?: { one: Project; commit: string } | undefined;
}

const groups = [
  { id: 71, path: 'acme/red' },
  { id: 72, path: 'acme/blue' },
];

export async function startKilledGitLab(around: ForgeSurroundings) {
  const { random } = around;
  const api = await startProjectsApi();
  const projects: Project[] = [];
  const told: Told[] = [];
  let lastNumber = 800;

  const isServed = ({ isArchived, hasTopic, isGone }: Project) => !isArchived && hasTopic && !isGone;
  const fullPath = ({ group, path }: Project) => `${group.path}/${path}`;

  function show(one: Project): void {
    one.changed();
    one.showTo(one.isGone ? undefined : String(one.group.id));
    if (one.isGone) return void api.projects.delete(one.number);
    const { group, isArchived: archived } = one;
    const namespace = { id: group.id, full_path: group.path, kind: 'group', name: group.path, path: 'x' };
    const names = { id: one.number, path: one.path, path_with_namespace: fullPath(one), namespace };
    const topics = one.hasTopic ? [gitlabTopic] : [];
    api.projects.set(
      one.number,
      projectAnswer({ ...names, archived, topics, tag_list: topics, visibility: 'public' }),
    );
  }

  async function deliver({ payload, key, pushed }: Told): Promise<void> {
    const headers = {
      'content-type': 'application/json',
      'x-gitlab-token': gitlabSecret,
      'idempotency-key': key,
    };
    const url = `http://127.0.0.1:${around.port()}/webhooks/gitlab`;
    try {
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(payload) });
      await response.arrayBuffer();
      if (response.status !== 202) return;
      around.accepted(key);
      if (pushed && isServed(pushed.one)) pushed.one.expect(pushed.commit);
    } catch {
      // GitLab tells nothing twice by itself.
    }
  }

  /** Some of it does not come through, and some comes twice. */
  async function tell(payload: object, pushed?: Told['pushed']): Promise<void> {
    const one = { payload, key: randomUUID(), pushed };
    told.push(one);
    const fate = random();
    if (fate > 0.12) await deliver(one);
    if (fate > 0.9) await deliver(oneOf(told, random));
  }

  const tellOf = (name: string, one: Project, more: object = {}) =>
    tell({
      ...systemHook(name),
      ...{ project_id: one.number, path: one.path, path_with_namespace: fullPath(one), ...more },
    });

  function make(group: Project['group'], path: string): Project {
    lastNumber += 1;
    const repository = createForgeRepository(around.root, 'gitlab', String(lastNumber));
    const states = { isArchived: false, hasTopic: true, isGone: false };
    const one: Project = { ...repository, number: lastNumber, path, group, ...states };
    projects.push(one);
    show(one);
    return one;
  }

  async function push(one: Project): Promise<void> {
    if (one.isArchived) return;
    const range = { ref: 'refs/heads/main', ...one.push(random) };
    const pushed = { one, commit: range.after };
    const project = { id: one.number, path_with_namespace: fullPath(one), visibility_level: 20 };
    await tell({ ...systemHook('push'), ...range, project_id: one.number, project }, pushed);
  }

  async function transfer(one: Project): Promise<void> {
    const former = fullPath(one);
    one.group = oneOf(groups, random);
    show(one);
    await tellOf('project_transfer', one, { old_path_with_namespace: former });
  }

  async function rename(one: Project): Promise<void> {
    const former = fullPath(one);
    one.path = `project-${randomUUID().slice(0, 8)}`;
    show(one);
    await tellOf('project_rename', one, { old_path_with_namespace: former });
  }

  async function archive(one: Project): Promise<void> {
    one.isArchived = !one.isArchived;
    show(one);
    await tellOf('project_update', one);
  }

  async function opt(one: Project): Promise<void> {
    one.hasTopic = !one.hasTopic;
    show(one);
    await tellOf('project_update', one);
  }

  /** Another one is made under its path. */
  async function replace(one: Project): Promise<void> {
    one.isGone = true;
    show(one);
    await tellOf('project_destroy', one);
    await tellOf('project_create', make(one.group, one.path));
  }

  const moves: [share: number, move: (one: Project) => Promise<void>][] = [
    [0.66, push],
    [0.76, transfer],
    [0.82, rename],
    [0.9, archive],
    [0.95, opt],
    [1, replace],
  ];

  for (const [index, path] of ['shop', 'blog', 'news'].entries()) {
    const group = groups[index % 2];
    if (group) await tellOf('project_create', make(group, path));
  }
  const forge: Forge = {
    repositories: () =>
      projects.map((one) => ({
        ...one,
        whose: isServed(one) ? one.group.path.replace('/', '-') : undefined,
      })),
    async move() {
      const share = random();
      const move = moves.find(([upTo]) => share <= upTo)?.[1] ?? push;
      const there = projects.filter(({ isGone }) => !isGone);
      await move(oneOf(there, random));
    },
    wakeAll: async () => {},
    settle: async () => {},
    told: () => told.length,
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
  return { forge, url: api.url };
}
