/** What GitHub tells of installations and repositories; its double is changed as GitHub would be. */
import assert from 'node:assert/strict';
import { exampleOf, type startForgePlatform } from '../../test/forges/forge-platform.ts';
import { stackFiles } from '../pipeline/platform-in-memory.test.ts';

export type Platform = Awaited<ReturnType<typeof startForgePlatform>>;

export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 120_000;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const account = ({ installation }: Platform, login = 'Acme') => ({
  ...(exampleOf('installation')['installation'] as { account: object }).account,
  ...{ id: installation.account.id, login, type: 'Organization' },
});

/** What GitHub says of an installation; by default of the one that there is. */
export function about(platform: Platform, id = platform.installation.id, login?: string) {
  const known = exampleOf('installation')['installation'] as object;
  return { ...known, id, app_id: platform.github.app.id, account: account(platform, login) };
}

export const shop = ({ repository }: Platform) => ({
  ...{ id: repository.id, node_id: 'x', name: 'shop', full_name: 'Acme/shop', private: false },
});

/** Whether the App is on the account, and awake. */
function setInstalled({ github, installation }: Platform, action: string): void {
  const others = github.state.installations.filter((each) => each !== installation);
  github.state.installations = action === 'deleted' ? others : [...others, installation];
  installation.suspendedAt = action === 'suspend' ? new Date().toISOString() : null;
}

export async function installed(platform: Platform, action: string, id?: number) {
  if (id === undefined) setInstalled(platform, action);
  const payload = { ...exampleOf('installation'), action, installation: about(platform, id) };
  const repositories = action === 'created' ? [shop(platform)] : [];
  assert.equal(await platform.github.deliver('installation', { ...payload, repositories }), 202);
  await platform.builder().drain();
}

export async function chosen(platform: Platform, action: 'added' | 'removed') {
  platform.installation.repositories = action === 'added' ? [platform.repository] : [];
  const payload = { ...exampleOf('installation_repositories'), action, installation: about(platform) };
  const lists = { repositories_added: [] as object[], repositories_removed: [] as object[] };
  lists[`repositories_${action}`].push(shop(platform));
  assert.equal(await platform.github.deliver('installation_repositories', { ...payload, ...lists }), 202);
  await platform.builder().drain();
}

export async function deployed(platform: Platform, text: string): Promise<string> {
  const { commit, status } = await platform.push(stackFiles({ hello: text }));
  assert.equal(status, 202);
  await platform.builder().drain();
  return commit;
}

export const pushOf = async (platform: Platform, commit: string) =>
  (await platform.builder().pushes({ owner: 'acme' })).filter((push) => push.after === commit);
export const live = ({ writer }: Platform) => writer.state.sourceOf('acme', 'hello');
export const functions = ({ writer }: Platform) => writer.state.deployed('acme');
