import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import type { KubeConfig } from '@kubernetes/client-node';
import { apply, clientOf, until } from '../../test/cluster/kubernetes/apply.ts';
import { type OwnControlPlane, startOwnControlPlane } from '../../test/cluster/kubernetes/control-plane.ts';
import { installFunctions } from '../../test/cluster/kubernetes/openfaas.ts';
import { type ClusterApi, ClusterError, createClusterApi } from '../kubernetes/cluster-api.ts';
import {
  type FollowedNamespace,
  type FollowOptions,
  followNamespace,
  functionObject,
  startTraffic,
} from './cluster-faults-fixture.ts';

let plane: OwnControlPlane;
let admin: { api: ClusterApi; config: KubeConfig };
before(async () => {
  plane = await startOwnControlPlane();
  const config = clientOf(await plane.kubeconfig());
  await installFunctions(config);
  admin = { api: createClusterApi(config), config };
});
after(() => plane[Symbol.asyncDispose]());

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});
const kept = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};

async function follow(options?: FollowOptions): Promise<FollowedNamespace> {
  return kept(await followNamespace(plane, admin, options));
}

/** With functions that are served, and asked for all the time. */
async function serve(options?: FollowOptions) {
  const one = await follow(options);
  await one.catalog.synced;
  for (const name of ['hello', 'other', 'third']) await one.deploy(name, 'one');
  for (const name of ['hello', 'other', 'third']) await one.shows(name, 'one');
  return { ...one, traffic: kept(await startTraffic(one.catalog, ['hello', 'other'])) };
}

/** Nobody was told that something is not there that is, or saw it fail. */
function assertServed({ traffic, gone }: Awaited<ReturnType<typeof serve>>, removed: string[] = []) {
  assert.deepEqual([...traffic.answers.keys()], [200], JSON.stringify([...traffic.answers]));
  assert.deepEqual(gone, removed);
}

describe('while the API server cannot be reached', () => {
  it('functions are served by the last good table, and what was missed is seen after', async () => {
    const one = await serve();
    one.way.cut();
    await one.stale(/cannot be followed/);
    await one.deploy('hello', 'two');
    await one.deploy('late', 'new');
    await one.remove('third');
    await one.traffic.more(50);
    one.way.mend();
    await Promise.all([one.shows('hello', 'two'), one.shows('late', 'new'), one.forgets('third')]);
    await one.following();
    assertServed(one, ['third']);
  });

  it('for so long that it has forgotten what happened: everything is listed anew (410)', async () => {
    const one = await serve();
    one.way.cut();
    await one.stale(/cannot be followed/);
    await one.deploy('hello', 'two');
    await one.deploy('late', 'new');
    await one.remove('third');
    // The new API server knows no event of before its start, and etcd no older version.
    await plane.compact();
    await plane.killApiServer();
    await plane.startApiServer();
    await one.traffic.more(50);
    one.way.mend();
    await Promise.all([one.shows('hello', 'two'), one.shows('late', 'new'), one.forgets('third')]);
    await one.following();
    assertServed(one, ['third']);
    assert.ok(
      one.causes.some((cause) => /answers 410: too old resource version/.test(cause)),
      one.causes.join('\n'),
    );
  });

  it('because it is killed under traffic and comes back', async () => {
    const one = await serve();
    await plane.killApiServer();
    await one.stale(/cannot be followed/);
    await one.traffic.more(100);
    await plane.startApiServer();
    await one.following();
    await one.deploy('hello', 'two');
    await one.remove('third');
    await Promise.all([one.shows('hello', 'two'), one.forgets('third')]);
    await one.traffic.more(20);
    assertServed(one, ['third']);
    assert.ok(one.traffic.bodies.has('hello: two'));
  });

  it('though its connections look alive: silence is noticed', async () => {
    const one = await serve({ config: { idleMs: 1_000 } });
    one.way.silence();
    await one.deploy('hello', 'two');
    await one.remove('third');
    await Promise.all([one.shows('hello', 'two'), one.forgets('third')]);
    assert.ok(
      one.causes.some((cause) => /nothing came for 1000 ms/.test(cause)),
      one.causes.join('\n'),
    );
    assertServed(one, ['third']);
  });
});

describe('a list in pages', () => {
  /** Does something before the second page of functions is asked for, once. */
  function beforeSecondPage(act: () => Promise<void>): FollowOptions {
    let isDone = false;
    const wrap = (api: ClusterApi): ClusterApi => ({
      ...api,
      async request<T>(path: string, request?: Parameters<ClusterApi['request']>[1]): Promise<T> {
        if (!isDone && path.endsWith('/functions') && request?.query?.['continue'] !== undefined) {
          isDone = true;
          await act();
        }
        return api.request<T>(path, request);
      },
    });
    const prepare = async (namespace: string) => {
      const names = Array.from({ length: 7 }, (_, i) => `fn-${i}`);
      await apply(
        admin.config,
        names.map((name) => functionObject(namespace, 'alice', name, 'one')),
      );
    };
    return { wrap, prepare, config: { pageSize: 2 } };
  }

  it('that breaks off half-way is begun anew: a part of the functions is not taken for all', async () => {
    let isBroken = false;
    const one = await follow(
      beforeSecondPage(async () => {
        await plane.killApiServer();
        isBroken = true;
      }),
    );
    let isSynced = false;
    one.catalog.synced.then(() => {
      isSynced = true;
    });
    await until(async () => isBroken && one.causes.length > 0, 'the list to break off');
    assert.equal(isSynced, false);
    await plane.startApiServer();
    await one.catalog.synced;
    assert.equal(one.catalog.list('alice').length, 7);
  });

  it('whose next page is no longer there is begun anew (410)', async () => {
    const one = await follow(
      beforeSecondPage(async () => {
        await one.deploy('fn-7', 'one');
        await plane.compact();
        await plane.killApiServer();
        await plane.startApiServer();
      }),
    );
    await one.catalog.synced;
    assert.equal(one.catalog.list('alice').length, 8);
    assert.ok(
      one.causes.some((cause) => /answers 410/.test(cause)),
      one.causes.join('\n'),
    );
  });
});

describe('credentials', () => {
  const reader = 'catalog';
  const group = 'rbac.authorization.k8s.io';
  const may = (apiGroups: string[], resources: string[]) => ({
    ...{ apiGroups, resources, verbs: ['get', 'list', 'watch'] },
  });
  const functions = may(['openfaas.com'], ['functions']);
  const deployments = may(['apps'], ['deployments']);
  const pods = may([''], ['pods']);

  function role(namespace: string, rules: object[]) {
    const metadata = { name: reader, namespace };
    return { apiVersion: `${group}/v1`, kind: 'Role', metadata, rules } as Parameters<
      typeof apply
    >[1][number];
  }

  async function prepare(namespace: string): Promise<void> {
    const metadata = { name: reader, namespace };
    await apply(admin.config, [
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
      role(namespace, [functions, deployments, pods]),
      {
        ...{ apiVersion: `${group}/v1`, kind: 'RoleBinding', metadata },
        roleRef: { apiGroup: group, kind: 'Role', name: reader },
        subjects: [{ kind: 'ServiceAccount', name: reader, namespace }],
      } as Parameters<typeof apply>[1][number],
    ]);
  }

  /** A token that holds as long as the secret does that it is bound to. */
  async function issue(namespace: string, secret: string): Promise<string> {
    const { metadata } = await admin.api.request<{ metadata: { uid: string } }>(
      `/api/v1/namespaces/${namespace}/secrets`,
      { method: 'POST', body: { metadata: { name: secret } } },
    );
    const boundObjectRef = { kind: 'Secret', apiVersion: 'v1', name: secret, uid: metadata.uid };
    const { status } = await admin.api.request<{ status: { token: string } }>(
      `/api/v1/namespaces/${namespace}/serviceaccounts/${reader}/token`,
      { method: 'POST', body: { spec: { expirationSeconds: 600, boundObjectRef } } },
    );
    return status.token;
  }

  async function accountFolder(): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), 'towline-account-'));
    open.push({ [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) });
    return dir;
  }

  /** As the program finds them: in a pod's folder, or in a kubeconfig that names a file. */
  const ways: Record<string, (dir: string) => FollowOptions> = {
    'a pod': (dir) => ({ account: dir }),
    'a kubeconfig': (dir) => ({
      user: { authProvider: { name: 'tokenFile', config: { tokenFile: join(dir, 'token') } } },
    }),
  };
  for (const [name, way] of Object.entries(ways)) {
    it(`are read anew from their file, so that a token may be replaced and the old one refused (${name})`, async () => {
      const dir = await accountFolder();
      const tokenFile = join(dir, 'token');
      let old = '';
      const one = await serve({
        ...way(dir),
        async prepare(namespace) {
          await prepare(namespace);
          old = await issue(namespace, 'first');
          await writeFile(tokenFile, old);
        },
      });
      await admin.api.request(`/api/v1/namespaces/${one.namespace}/secrets/first`, { method: 'DELETE' });
      const asOld = createClusterApi(clientOf(await plane.kubeconfig(old)));
      const path = `/apis/openfaas.com/v1/namespaces/${one.namespace}/functions`;
      await until(async () => {
        const error = await asOld.request(path).catch((refused: unknown) => refused);
        return error instanceof ClusterError && error.status === 401;
      }, 'the old token to be refused');
      // Watches that are open stay open; the next one is refused.
      one.way.cut();
      one.way.mend();
      await one.stale(/answers 401/);
      await one.deploy('hello', 'two');
      await one.traffic.more(50);
      await writeFile(tokenFile, `${await issue(one.namespace, 'second')}\n`);
      await one.shows('hello', 'two');
      await one.following();
      assertServed(one);
    });
  }

  it('that lose the right to one kind leave the others as they are, until they get it back', async () => {
    const account = await accountFolder();
    const one = await serve({
      account,
      async prepare(namespace) {
        await prepare(namespace);
        await writeFile(join(account, 'token'), await issue(namespace, 'only'));
      },
    });
    await apply(admin.config, [role(one.namespace, [functions, pods])]);
    one.way.cut();
    one.way.mend();
    await one.stale(/answers 403: .*deployments.* is forbidden/);
    await one.deploy('late', 'new');
    await until(async () => one.catalog.lookup('alice', 'late')?.status === 'Deploying', 'the new one');
    await one.remove('third');
    await one.forgets('third');
    await one.traffic.more(50);
    await apply(admin.config, [role(one.namespace, [functions, deployments, pods])]);
    await one.shows('late', 'new');
    await one.following();
    assertServed(one, ['third']);
  });

  it('without the right to see pods are enough to route', async () => {
    const account = await accountFolder();
    const one = await serve({
      account,
      async prepare(namespace) {
        await prepare(namespace);
        await apply(admin.config, [role(namespace, [functions, deployments])]);
        await writeFile(join(account, 'token'), await issue(namespace, 'only'));
      },
    });
    await one.traffic.more(10);
    assert.equal(one.catalog.state().type, 'following');
    assertServed(one);
  });
});
