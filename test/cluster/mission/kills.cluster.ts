import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PushRecord } from '../../../core/deploy.ts';
import { apiPaths } from '../../../core/paths.ts';
import { eventually } from '../../e2e/product.ts';
import { cannotKill } from '../kubernetes/control-plane.ts';
import { type Mission, startMission, startOutside } from './mission.ts';
import { digestOf, ended, type Owner, type Source, shown, signUp, sourceOf, states } from './people.ts';
import { type ProgramName, programNames } from './programs.ts';
import { stackFiles } from './stack-files.ts';

describe('a push while something dies', () => {
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
    await live(await push());
  });
  after(() => resources.disposeAsync());

  async function push(): Promise<{ id: string; commit: string }> {
    version += 1;
    const texts = { hello: `version ${version}` };
    return shop.push(`Version ${version}`, stackFiles(mission.outside.baseImage, texts));
  }

  /** It ends live, was committed once, and is what the route, the cluster and the API show. */
  async function live({ id, commit }: { id: string; commit: string }): Promise<void> {
    const ends = await ended(alice, id);
    assert.deepEqual(states(ends), { hello: 'live' }, JSON.stringify(ends));
    const [deploy] = ends.deploys;
    const digest = digestOf(deploy?.image);
    assert.equal(digestOf(await mission.cluster.imageOf('alice', 'hello')), digest);
    await eventually('the route', async () => {
      const { status, body } = await alice.call('hello');
      return status === 200 && body.includes(commit.slice(0, 7));
    });
    const { gitOps } = mission.outside;
    await gitOps.git('pull', '-q', 'origin', 'main');
    const log = await gitOps.git('log', '--format=%H', `--grep=^Towline-Source-Commit: ${commit}$`);
    assert.equal(log.split('\n').length, 1, log);
    await shown(alice, 'hello', { sourceCommit: commit, number: version });
  }

  async function state(id: string): Promise<string> {
    const found = await alice.api<PushRecord>('GET', apiPaths.push(id)).catch(() => undefined);
    return found?.deploys[0]?.state ?? found?.state ?? '';
  }

  /** Kills at once, and again when the build has begun, so that it meets the push in several states. */
  async function killed(name: ProgramName): Promise<void> {
    const pushing = push();
    await mission.programs.kill(name);
    await mission.programs.start(name);
    const pushed = await pushing;
    await eventually('the push to be worked on', async () => (await state(pushed.id)) !== 'queued');
    await mission.programs.kill(name);
    await mission.programs.start(name);
    await live(pushed);
  }

  for (const name of programNames) it(`${name}: it ends live, and once`, () => killed(name));

  it('all five at once: it ends live, and once', async () => {
    const pushed = await push();
    await Promise.all(programNames.map((name) => mission.programs.kill(name)));
    await Promise.all(programNames.map((name) => mission.programs.start(name)));
    await live(pushed);
  });

  it('the API server is away: functions answer on, and it ends live', { skip: cannotKill }, async () => {
    await mission.cluster.plane.killApiServer();
    const pushed = await push();
    await eventually('the commit', async () => {
      const found = await alice.api<PushRecord>('GET', apiPaths.push(pushed.id)).catch(() => undefined);
      return found?.deploys.some(({ gitopsCommit }) => gitopsCommit !== null);
    });
    assert.equal((await alice.call('hello')).status, 200);
    await mission.cluster.plane.startApiServer();
    await live(pushed);
  });
});
