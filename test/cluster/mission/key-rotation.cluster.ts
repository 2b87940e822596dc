import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '../../e2e/product.ts';
import { type Mission, newSecret, newSigningKey, startMission, startOutside } from './mission.ts';
import { ended, type Owner, type Source, signUp, sourceOf, states } from './people.ts';
import { stackFiles } from './stack-files.ts';

/** Longer than programs take to look at a file again. */
const rereadMs = 2_500;

describe('a key that is changed while the programs run', () => {
  const resources = new AsyncDisposableStack();
  let mission: Mission;
  let alice: Owner;
  let shop: Source;
  let version = 0;
  before(async () => {
    const outside = resources.use(await startOutside());
    mission = resources.use(await startMission(outside, ['alice/hello']));
    alice = await signUp(mission, 'alice');
    shop = await sourceOf(mission, alice, 'shop');
    resources.use(shop.clone);
  });
  after(() => resources.disposeAsync());

  async function deploy(): Promise<void> {
    version += 1;
    const texts = { hello: `version ${version}` };
    const { id } = await shop.push(`Version ${version}`, stackFiles(mission.outside.baseImage, texts));
    const push = await ended(alice, id);
    assert.deepEqual(states(push), { hello: 'live' }, JSON.stringify(push));
  }

  /** The status of an event that nothing is done for: its ref is no branch that is deployed. */
  async function signedBy(secret: string): Promise<number> {
    const { repository } = shop;
    const actor = { name: 'Ada', email: 'ada@example.org', login: 'ada' };
    const commits = { before: '0'.repeat(40), after: '1'.repeat(40) };
    const event = {
      id: randomUUID(),
      type: 'push',
      scm: 'git',
      repository,
      actor,
      ref: 'refs/heads/other',
    } as const;
    return (await shop.deliver({ ...event, ...commits }, secret)).status;
  }

  it("the hooks' secret: both are good in between, and only the new one afterwards", async () => {
    const { webhookSecret } = mission.secrets;
    const old = (await readFile(webhookSecret, 'utf8')).trim();
    const next = newSecret();
    assert.deepEqual([await signedBy(old), await signedBy(next)], [202, 401]);
    await writeFile(webhookSecret, `${old}\n${next}\n`);
    await mission.programs.restart('builder');
    assert.deepEqual([await signedBy(old), await signedBy(next)], [202, 202]);
    await writeFile(webhookSecret, `${next}\n`);
    await mission.programs.restart('builder');
    assert.deepEqual([await signedBy(old), await signedBy(next)], [401, 202]);
    await deploy();
  });

  it("the programs' own token: added, moved to the first line, the old one removed, with no restart", async () => {
    const { serviceToken } = mission.secrets;
    const old = (await readFile(serviceToken, 'utf8')).trim();
    const next = newSecret();
    const isAccepted = async (token: string) => {
      const { internalPort } = mission.outside.ports.auth;
      const response = await fetch(`http://127.0.0.1:${internalPort}/calls/auth/owners`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: '[]',
      });
      await response.arrayBuffer();
      return response.status !== 401;
    };
    assert.deepEqual([await isAccepted(old), await isAccepted(next)], [true, false]);
    for (const lines of [
      [old, next],
      [next, old],
    ]) {
      await writeFile(serviceToken, `${lines.join('\n')}\n`);
      await wait(rereadMs);
      await deploy();
    }
    await writeFile(serviceToken, `${next}\n`);
    await wait(rereadMs);
    await deploy();
    assert.deepEqual([await isAccepted(old), await isAccepted(next)], [false, true]);
  });

  it("the commits' signing key: later commits carry the new one, earlier ones keep theirs", async () => {
    const { gitOps } = mission.outside;
    const { signingKey } = mission.secrets;
    const publicKeys = [await readFile(`${signingKey}.pub`, 'utf8')];
    await newSigningKey(signingKey, mission.outside.dir);
    publicKeys.push(await readFile(`${signingKey}.pub`, 'utf8'));
    await mission.programs.restart('manifest-writer');
    await deploy();
    await gitOps.git('pull', '-q', 'origin', 'main');
    const [second = '', first = ''] = (await gitOps.git('log', '--format=%H', '--grep=^deploy(')).split('\n');
    assert.deepEqual(await goodFor(first, publicKeys), [true, false]);
    assert.deepEqual(await goodFor(second, publicKeys), [false, true]);
  });

  /** Whether git finds the commit signed by each of the keys. */
  async function goodFor(commit: string, publicKeys: readonly string[]): Promise<boolean[]> {
    const good: boolean[] = [];
    for (const [index, key] of publicKeys.entries()) {
      const allowed = `${mission.outside.dir}/allowed-${index}`;
      await writeFile(allowed, `* ${key}`);
      const { gitOps } = mission.outside;
      const config = ['-c', 'gpg.format=ssh', '-c', `gpg.ssh.allowedSignersFile=${allowed}`];
      good.push((await gitOps.try([...config, 'verify-commit', commit])).exitCode === 0);
    }
    return good;
  }

  it("the GitOps repository's password: read at each use", async () => {
    const { git } = mission.outside;
    const right = `Basic ${Buffer.from(`${git.username}:${git.password}`).toString('base64')}`;
    await writeFile(mission.secrets.gitOpsToken, 'not any more\n');
    const { id } = await shop.push('Wait', stackFiles(mission.outside.baseImage, { hello: 'waits' }));
    version += 1;
    await eventually('a refusal', async () =>
      git.server.requests.some(({ status, path, authorization }) => {
        const isGiven = authorization !== undefined && authorization !== right;
        return status === 401 && isGiven && path.startsWith('/gitops.git');
      }),
    );
    await writeFile(mission.secrets.gitOpsToken, `${git.password}\n`);
    assert.deepEqual(states(await ended(alice, id)), { hello: 'live' });
  });
});
