/** Two accounts on GitHub's double and their repositories: what happens to them, and what GitHub tells of it. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { exampleOf } from '../../test/forges/forge-platform.ts';
import { startGitHubDouble } from '../../test/forges/github-double.ts';
import type { GitHubAccount, GitHubInstallation } from '../../test/forges/github-state.ts';
import {
  createForgeRepository,
  type Forge,
  type ForgeRepository,
  type ForgeSurroundings,
} from './killed-forge-repository-fixture.ts';
import { oneOf } from './killed-process-fixture.ts';

export const githubUrl = 'https://github.example.org';

interface Account extends GitHubAccount {
  installation: GitHubInstallation | undefined;
}

interface Repository extends ForgeRepository {
  number: number;
  name: string;
  formerPath: string | undefined;
  owner: Account;
  /** Whether the App was given it. */
  isChosen: boolean;
  isArchived: boolean;
}

interface Told {
  event: string;
  payload: object;
  guid: string;
  pushed?: Pushed | undefined;
}

interface Pushed {
  one: Repository;
  owner: Account;
  commit: string;
}

export async function startKilledGitHub(around: ForgeSurroundings) {
  const { random } = around;
  let isLost = false;
  const double = await startGitHubDouble({
    webhookUrl: () => (isLost ? 'http://127.0.0.1:1/' : `http://127.0.0.1:${around.port()}/webhooks/github`),
  });
  const account = (id: number, login: string): Account => ({
    ...{ id, login, type: 'Organization', installation: undefined },
  });
  const accounts = [account(501, 'acme'), account(502, 'beta')];
  const repositories = [601, 602, 603].map((number, index): Repository => {
    const owner = accounts[index % 2];
    assert.ok(owner);
    const made = createForgeRepository(around.root, 'github', String(number));
    const name = { number, name: `repo-${index}`, formerPath: undefined };
    return { ...made, ...name, owner, isChosen: true, isArchived: false };
  });
  const told: Told[] = [];

  const pathOf = ({ owner, name }: Repository) => `${owner.login}/${name}`;
  const ofAccount = (owner: Account) => repositories.filter((each) => each.owner === owner && each.isChosen);
  const isAwake = ({ installation }: Account) =>
    installation !== undefined && installation.suspendedAt === null;
  const isServed = (one: Repository) => isAwake(one.owner) && one.isChosen && !one.isArchived;

  /** What the double answers when it is asked. */
  function show(): void {
    for (const owner of accounts) {
      if (!owner.installation) continue;
      owner.installation.repositories = ofAccount(owner).map((one) => ({
        ...{ id: one.number, name: one.name, owner, private: false, defaultBranch: 'main' },
        ...{ archived: one.isArchived, formerPath: one.formerPath, branches: {} },
      }));
    }
    for (const one of repositories) {
      one.showTo(isAwake(one.owner) && one.isChosen ? String(one.owner.id) : undefined);
    }
  }

  const accountOf = ({ id, login, type }: Account) => ({ id, login, type, node_id: 'x' });
  const listed = (one: Repository) => ({
    ...{ id: one.number, node_id: 'x', name: one.name, full_name: pathOf(one), private: false },
  });

  function about(event: string, one: Repository) {
    const payload = exampleOf(event);
    const { installation } = one.owner;
    const known = payload['repository'] as object;
    const owner = { ...accountOf(one.owner), name: one.owner.login };
    const urls = {
      clone_url: `${githubUrl}/${pathOf(one)}.git`,
      default_branch: 'main',
      master_branch: 'main',
    };
    return {
      ...payload,
      repository: { ...known, ...listed(one), owner, ...urls },
      ...(installation ? { installation: { id: installation.id, node_id: 'x' } } : {}),
    };
  }

  function ofInstallation(event: string, action: string, { id }: GitHubInstallation, owner: Account) {
    const payload = exampleOf(event);
    const known = payload['installation'] as object;
    return {
      ...payload,
      action,
      installation: { ...known, id, app_id: double.app.id, account: accountOf(owner) },
    };
  }

  async function deliver({ event, payload, guid, pushed }: Told): Promise<void> {
    const status = await double.deliver(event, payload, guid);
    if (status !== 202) return;
    around.accepted(guid);
    if (pushed && isServed(pushed.one) && pushed.one.owner === pushed.owner) pushed.one.expect(pushed.commit);
  }

  /** Some of it does not come through, and some comes twice. */
  async function tell(event: string, payload: object, pushed?: Pushed): Promise<void> {
    const one = { event, payload, guid: randomUUID(), pushed };
    told.push(one);
    const fate = random();
    isLost = fate < 0.12;
    await deliver(one);
    isLost = false;
    if (fate > 0.9) await deliver(oneOf(told, random));
  }

  const delivered = () =>
    new Set(double.state.deliveries.filter(({ status }) => status === 'OK').map(({ guid }) => guid));

  /**
   * A push that comes for the first time after its repository has left deploys, should the builder never have heard of
   * the repository: the README of the builder says so. Here nobody sends such a push again.
   */
  function forgetPushes(left: readonly Repository[]): void {
    const heard = delivered();
    const isForgotten = ({ pushed, guid }: Told) =>
      pushed !== undefined && left.includes(pushed.one) && !heard.has(guid);
    const forgotten = new Set(told.filter(isForgotten).map(({ guid }) => guid));
    told.splice(0, told.length, ...told.filter(({ guid }) => !forgotten.has(guid)));
    double.state.deliveries = double.state.deliveries.filter(({ guid }) => !forgotten.has(guid));
  }

  async function push(one: Repository): Promise<void> {
    if (one.isArchived) return;
    const range = one.push(random);
    if (!isServed(one)) return;
    const pushed = { one, owner: one.owner, commit: range.after };
    await tell('push', { ...about('push', one), ref: 'refs/heads/main', ...range }, pushed);
  }

  async function transfer(one: Repository): Promise<void> {
    const former = one.owner;
    const next = accounts.find((each) => each !== former);
    assert.ok(next);
    if (!one.isChosen || ![former, next].every(isAwake)) return;
    one.formerPath = pathOf(one);
    one.owner = next;
    one.changed();
    show();
    const changes = { owner: { from: { organization: accountOf(former) } } };
    await tell('repository', { ...about('repository', one), action: 'transferred', changes });
  }

  async function rename(one: Repository): Promise<void> {
    if (!isAwake(one.owner) || !one.isChosen) return;
    const former = one.name;
    one.formerPath = pathOf(one);
    one.name = `repo-${randomUUID().slice(0, 8)}`;
    show();
    const changes = { repository: { name: { from: former } } };
    await tell('repository', { ...about('repository', one), action: 'renamed', changes });
  }

  async function archive(one: Repository): Promise<void> {
    if (!isAwake(one.owner) || !one.isChosen) return;
    one.isArchived = !one.isArchived;
    one.changed();
    show();
    forgetPushes([one]);
    const action = one.isArchived ? 'archived' : 'unarchived';
    await tell('repository', { ...about('repository', one), action });
  }

  async function choose(one: Repository): Promise<void> {
    const { installation } = one.owner;
    if (!installation || !isAwake(one.owner)) return;
    one.isChosen = !one.isChosen;
    one.changed();
    show();
    forgetPushes([one]);
    const action = one.isChosen ? 'added' : 'removed';
    const lists = { repositories_added: [] as object[], repositories_removed: [] as object[] };
    lists[`repositories_${action}`].push(listed(one));
    const event = 'installation_repositories';
    await tell(event, { ...ofInstallation(event, action, installation, one.owner), ...lists });
  }

  async function install(owner: Account): Promise<void> {
    const { installation } = owner;
    for (const one of ofAccount(owner)) one.changed();
    if (installation) {
      double.state.installations = double.state.installations.filter((each) => each !== installation);
      owner.installation = undefined;
      show();
      await tell('installation', ofInstallation('installation', 'deleted', installation, owner));
      return;
    }
    const { id, login } = owner;
    const made = double.install({ id, login }, []);
    owner.installation = made;
    show();
    const list = { repositories: ofAccount(owner).map(listed) };
    await tell('installation', { ...ofInstallation('installation', 'created', made, owner), ...list });
  }

  async function suspend(owner: Account): Promise<void> {
    const { installation } = owner;
    if (!installation) return;
    for (const one of ofAccount(owner)) one.changed();
    const action = installation.suspendedAt === null ? 'suspend' : 'unsuspend';
    installation.suspendedAt = action === 'suspend' ? new Date().toISOString() : null;
    show();
    await tell('installation', ofInstallation('installation', action, installation, owner));
  }

  const moves: [share: number, move: (one: Repository) => Promise<void>][] = [
    [0.62, push],
    [0.72, transfer],
    [0.76, rename],
    [0.82, archive],
    [0.89, choose],
    [0.95, ({ owner }) => install(owner)],
    [1, ({ owner }) => suspend(owner)],
  ];

  /** As somebody does who sees failed deliveries in the App's settings. */
  async function redeliverFailed(): Promise<void> {
    const heard = delivered();
    for (const one of told.filter(({ guid }) => !heard.has(guid))) await deliver(one);
  }

  for (const owner of accounts) await install(owner);
  const forge: Forge = {
    repositories: () =>
      repositories.map((one) => ({
        ...one,
        whose: isServed(one) ? one.owner.login : undefined,
      })),
    async move() {
      const share = random();
      const move = moves.find(([upTo]) => share <= upTo)?.[1] ?? push;
      await move(oneOf(repositories, random));
    },
    async wakeAll() {
      for (const owner of accounts.filter((each) => each.installation && !isAwake(each)))
        await suspend(owner);
    },
    settle: redeliverFailed,
    told: () => told.length,
    [Symbol.asyncDispose]: () => double[Symbol.asyncDispose](),
  };
  return { forge, apiUrl: double.origin, app: double.app };
}
