import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KubernetesObject } from '@kubernetes/client-node';
import { type ClusterApi, ClusterError, createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { clientOf, until } from '../../test/cluster/kubernetes/apply.ts';
import {
  type ArgoInstallation,
  startArgoInstallation,
} from '../../test/cluster/kubernetes/argo-installation.ts';
import { serverSideApply } from '../../test/cluster/kubernetes/server-side-apply.ts';
import { functionText as text } from './installed-fixture.ts';

let installation: ArgoInstallation;
before(async () => {
  installation = await startArgoInstallation(['alice', 'bob']);
  await Promise.all(['alice', 'bob'].map((owner) => deploy(owner, 'hello', 'first')));
});
after(() => installation?.[Symbol.asyncDispose]());

const commit = (files: Record<string, string | null>) => installation.repository.commit(files);

async function found(path: string): Promise<KubernetesObject | undefined> {
  return installation.api.request<KubernetesObject>(path).catch((error: unknown) => {
    if (error instanceof ClusterError && error.status === 404) return undefined;
    throw error;
  });
}

async function imageOf(name: string): Promise<string | undefined> {
  const object = await found(`/apis/openfaas.com/v1/namespaces/openfaas-fn/functions/${name}`);
  return (object as { spec: { image: string } } | undefined)?.spec.image;
}

async function deploy(owner: string, functionName: string, tag: string): Promise<void> {
  await commit({ [`tenants/${owner}/${functionName}.yaml`]: text(owner, functionName, tag) });
  await installation.untilSynced(owner);
  assert.match((await imageOf(`${owner}-${functionName}`)) ?? '', new RegExp(`:${tag}$`));
}

/** Alice tries something: Argo CD says why not, bob goes on, and without it alice does too. */
async function refused(files: Record<string, string>, words: RegExp): Promise<void> {
  await commit(
    Object.fromEntries(Object.entries(files).map(([name, made]) => [`tenants/alice/${name}`, made])),
  );
  let said = '';
  await installation.untilSynced('bob');
  await until(
    async () => {
      await installation.look('alice');
      said = JSON.stringify(await installation.statusOf('alice'));
      return words.test(said);
    },
    `alice to be refused: ${words}`,
    120_000,
  ).catch((cause: unknown) => {
    throw new Error(`Argo CD says: ${said}`, { cause });
  });
  await commit(Object.fromEntries(Object.keys(files).map((name) => [`tenants/alice/${name}`, null])));
}

const rbac = 'rbac.authorization.k8s.io';

describe("a tenant's folder, applied by Argo CD", () => {
  it('may hold nothing of another namespace, nothing of the cluster, and no other kind', async () => {
    const elsewhere = text('alice', 'visitor', 'one').replace('openfaas-fn', 'kube-system');
    const binding = {
      ...{ apiVersion: `${rbac}/v1`, kind: 'ClusterRoleBinding', metadata: { name: 'alice-is-admin' } },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'User', name: 'alice', apiGroup: rbac }],
    };
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'plain' } };
    const files = {
      'visitor.yaml': elsewhere,
      'power.yaml': JSON.stringify(binding),
      'secret.yaml': JSON.stringify(secret),
    };
    await refused(files, /is not permitted in project/);
    assert.equal(await found(`/apis/${rbac}/v1/clusterrolebindings/alice-is-admin`), undefined);
    assert.equal(await found('/api/v1/namespaces/openfaas-fn/secrets/plain'), undefined);
    assert.equal(
      await found('/apis/openfaas.com/v1/namespaces/kube-system/functions/alice-visitor'),
      undefined,
    );
  });

  it("may touch nothing of another tenant, whose sentinel is not the account's either", async () => {
    await refused({ 'hers.yaml': text('bob', 'hello', 'stolen') }, /may not apply what is of bob/);
    assert.match((await imageOf('bob-hello')) ?? '', /:first$/);
    const other = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'not-a-sentinel' } };
    await refused({ 'other.yaml': JSON.stringify(other) }, /cannot patch resource|forbidden/);
  });

  it('may not command Argo CD, nor claim to be applied by another Application', async () => {
    const commanding = (key: string, value: string) =>
      text('alice', 'hello', 'second').replace(/^ {2}annotations:$/m, `  annotations:\n    ${key}: ${value}`);
    for (const key of ['sync-options', 'compare-options']) {
      const made = commanding(`argocd.argoproj.io/${key}`, 'Prune=false');
      await refused(
        { 'commands.yaml': made.replaceAll('alice-hello', 'alice-commands') },
        /may not command the GitOps engine/,
      );
    }
    assert.match((await imageOf('alice-hello')) ?? '', /:first$/);
  });

  it('reads no other folder: a kustomization is not built', async () => {
    const reaching =
      'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nmetadata: {name: x}\nresources: [../bob/hello.yaml]\n';
    await refused({ 'kustomization.yaml': reaching }, /kustomize\.config\.k8s\.io/);
  });

  it('goes on beside a folder whose name cannot be a tenant', async () => {
    await commit({ 'tenants/Not_A_Tenant/x.yaml': 'kind: ConfigMap\n' });
    await deploy('alice', 'hello', 'third');
    await commit({ 'tenants/Not_A_Tenant/x.yaml': null });
  });

  it('is as the branch says after a revert, and empty of functions after the last is removed', async () => {
    await installation.repository.git('revert', '--no-edit', 'HEAD~1');
    await installation.repository.git('push', '--quiet', 'origin', 'main');
    await installation.untilSynced('alice');
    assert.match((await imageOf('alice-hello')) ?? '', /:first$/);
    await commit({ 'tenants/alice/hello.yaml': null });
    await installation.untilSynced('alice');
    assert.equal(await imageOf('alice-hello'), undefined);
    assert.ok(await found('/api/v1/namespaces/openfaas-fn/configmaps/towline-tenant-alice'));
  });

  it('loses nothing when even its sentinel goes: Argo CD removes no last object by itself', async () => {
    await deploy('alice', 'hello', 'fourth');
    await commit({
      'tenants/alice/hello.yaml': null,
      'tenants/alice/tenant.yaml': null,
      'tenants/alice/README.md': 'x',
    });
    await until(async () => {
      await installation.look('alice');
      return /will wipe out all resources/.test(JSON.stringify(await installation.statusOf('alice')));
    }, 'Argo CD to refuse');
    assert.match((await imageOf('alice-hello')) ?? '', /:fourth$/);
  });
});

describe("a tenant's set-up, applied by Argo CD", () => {
  let setUps: ReturnType<typeof serverSideApply>;
  before(async () => {
    setUps = serverSideApply(await asSetUps());
  });

  async function asSetUps(): Promise<ClusterApi> {
    const { api, plane } = installation;
    const path = '/api/v1/namespaces/argocd/serviceaccounts/towline-set-up/token';
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    const { status } = await api.request<{ status: { token: string } }>(path, { method: 'POST', body });
    return createClusterApi(clientOf(await plane.kubeconfig(status.token)));
  }

  const project = (spec: object, name = 'tenant-eve') =>
    ({
      ...{ apiVersion: 'argoproj.io/v1alpha1', kind: 'AppProject', metadata: { name, namespace: 'argocd' } },
      spec: {
        sourceRepos: ['https://git.example.org/acme/functions.git'],
        destinations: [{ server, namespace: 'openfaas-fn' }],
        destinationServiceAccounts: [
          { server, namespace: 'openfaas-fn', defaultServiceAccount: 'argocd:towline-tenants' },
        ],
        ...spec,
      },
    }) as KubernetesObject;
  const server = 'https://kubernetes.default.svc';
  const role = (rules: object[], name = 'towline-sentinel-eve', namespace = 'openfaas-fn') =>
    ({ apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { name, namespace }, rules }) as KubernetesObject;
  const binding = (subject: object, roleName = 'towline-sentinel-eve', name = 'towline-sentinel-eve') =>
    ({
      ...{ apiVersion: `${rbac}/v1`, kind: 'RoleBinding', metadata: { name, namespace: 'openfaas-fn' } },
      roleRef: { apiGroup: rbac, kind: 'Role', name: roleName },
      subjects: [{ kind: 'ServiceAccount', namespace: 'argocd', name: 'towline-tenants', ...subject }],
    }) as KubernetesObject;
  const account = (defaultServiceAccount: string) => ({
    destinationServiceAccounts: [{ server, namespace: '*', defaultServiceAccount }],
  });

  it('is what the template makes, and bob has it', async () => {
    await setUps.dryRun(project({}));
    assert.ok(await found('/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/tenant-bob'));
  });

  const attempts: Record<string, KubernetesObject> = {
    'an account with all rights': project(account('argocd:argocd-application-controller')),
    'the account that sets tenants up': project(account('argocd:towline-set-up')),
    'no account, so that the controller acts': project({ destinationServiceAccounts: [] }),
    'every namespace': project({ destinations: [{ server, namespace: '*' }] }),
    'another cluster': project({
      destinations: [{ server: 'https://evil.example', namespace: 'openfaas-fn' }],
    }),
    'kinds of the whole cluster': project({ clusterResourceWhitelist: [{ group: '*', kind: '*' }] }),
    'a right in Argo CD': project({
      roles: [{ name: 'x', policies: ['p, proj:tenant-eve:x, *, *, *, allow'] }],
    }),
    "the platform's project": project({}, 'towline'),
    "everybody's project": project({}, 'default'),
    'secrets of the functions': role([{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }]),
    "another tenant's sentinel": role([
      {
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: ['towline-tenant-bob'],
        verbs: ['delete'],
      },
    ]),
    'any configmap': role([{ apiGroups: [''], resources: ['configmaps'], verbs: ['update'] }]),
    'a role of another name': role([], 'towline-tenant'),
    "a role in the platform's namespace": role([], 'towline-sentinel-eve', 'towline'),
    'its role for somebody else': binding(
      { name: 'builder', namespace: 'towline' },
      'towline-sentinel-bob',
      'towline-sentinel-bob',
    ),
    'the set-up’s own role for tenants': binding({}, 'towline-set-up'),
    'a right on the cluster': {
      ...{ apiVersion: `${rbac}/v1`, kind: 'ClusterRoleBinding', metadata: { name: 'towline-sentinel-eve' } },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'cluster-admin' },
    } as KubernetesObject,
    'a configmap': {
      ...{
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'towline-tenant-bob', namespace: 'openfaas-fn' },
      },
      data: { x: 'y' },
    } as KubernetesObject,
    'an Application': {
      ...{
        apiVersion: 'argoproj.io/v1alpha1',
        kind: 'Application',
        metadata: { name: 'tenant-eve', namespace: 'argocd' },
      },
      spec: { project: 'towline', destination: { server, namespace: 'argocd' } },
    } as KubernetesObject,
  };
  for (const [what, object] of Object.entries(attempts)) {
    it(`holds no more: ${what}`, async () => {
      await assert.rejects(
        setUps.dryRun(object),
        /a tenant's (set-up|project|role) |forbidden|attempting to grant/,
      );
    });
  }

  it('is refused by Argo CD itself where it is committed, and bob goes on', async () => {
    const path = 'argocd/tenants/eve.yaml';
    await commit({ [path]: JSON.stringify(project(account('argocd:argocd-application-controller'))) });
    await until(
      async () => {
        await installation.look('towline-tenants', '');
        return /towline-tenants act, and gives/.test(
          JSON.stringify(await installation.statusOf('towline-tenants', '')),
        );
      },
      'the set-up to be refused',
      120_000,
    );
    assert.equal(
      await found('/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/tenant-eve'),
      undefined,
    );
    await deploy('bob', 'hello', 'fifth');
    await commit({ [path]: null });
  });
});
