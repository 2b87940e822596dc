import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KubernetesObject } from '@kubernetes/client-node';
import { type ClusterApi, createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { clientOf, until } from '../../test/cluster/kubernetes/apply.ts';
import { type ControlPlane, startControlPlane } from '../../test/cluster/kubernetes/control-plane.ts';
import { functionDefinition } from '../../test/cluster/kubernetes/openfaas.ts';
import { type ServerSideApply, serverSideApply } from '../../test/cluster/kubernetes/server-side-apply.ts';
import { definitionsOf, toolCrds } from '../../test/cluster/tools.ts';
import { followSetUp } from '../publishing/set-up-kustomizations.ts';
import { build, rendered } from './rendered-fixture.ts';

let plane: ControlPlane;
let server: ServerSideApply;
let admin: ClusterApi;
let writer: ClusterApi;
let builder: ClusterApi;
/** As the account that applies the tenants' set-ups. */
let tenants: ClusterApi;
let setUps: ServerSideApply;
let setUp: KubernetesObject[];

const isNamespace = ({ kind }: KubernetesObject) => kind === 'Namespace';
const named = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
const source = '/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system';
const artifacts = `${source}/externalartifacts`;
const applications = '/apis/argoproj.io/v1alpha1/namespaces/argocd/applications';

before(async () => {
  plane = await startControlPlane();
  admin = createClusterApi(clientOf(await plane.kubeconfig()));
  server = serverSideApply(admin);
  await server.apply([await functionDefinition()]);
  await server.define([
    ...(await toolCrds('source-controller', 'kustomize-controller', 'source-watcher')),
    ...(await definitionsOf('argo-cd', 'helm-controller', 'sealed-secrets')),
  ]);
  const [flux, argo] = await Promise.all([rendered({}), rendered({ engine: 'argocd' })]);
  const platform = await build(flux, 'platform');
  const system = await build(flux, 'flux/system');
  const policies = system.filter(({ kind }) => kind !== 'Deployment');
  const sync = [
    ...(await build(flux, 'flux/sync')),
    ...(await build(flux, 'flux/system/publisher/role')),
    ...(await build(flux, 'flux/system/publisher/binding')),
    ...(await build(argo, 'argocd/sync')),
  ];
  const spaces = [...platform, ...sync].filter(isNamespace);
  await server.apply([...['flux-system', 'argocd'].map(named), ...spaces, ...policies, ...platform, ...sync]);
  writer = await actingAs('manifest-writer');
  builder = await actingAs('builder');
  tenants = await actingAs('tenants', 'flux-system');
  setUps = serverSideApply(tenants);
  setUp = (await build(flux, 'flux/tenants')).filter(({ metadata }) =>
    /alice/.test(JSON.stringify(metadata)),
  );
});
after(() => plane?.[Symbol.asyncDispose]());

async function actingAs(account: string, namespace = 'towline'): Promise<ClusterApi> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
  const { status } = await admin.request<{ status: { token: string } }>(path, { method: 'POST', body });
  return createClusterApi(clientOf(await plane.kubeconfig(status.token)));
}

const patch = (api: ClusterApi, path: string, body: object) =>
  api.request<KubernetesObject>(path, { method: 'PATCH', patch: 'merge', body });
/** Refused by the policy, after the role let it pass; a policy needs a moment to be in force. */
async function refused(attempt: () => Promise<unknown>, words: RegExp): Promise<void> {
  let last = 'it was allowed';
  await until(async () => {
    last = await attempt().then(() => 'it was allowed', String);
    return words.test(last);
  }, `${words}`).catch((cause: unknown) => {
    throw new Error(last, { cause });
  });
}

describe("tenants' objects", () => {
  const owner = 'com.openfaas.git-owner';
  const tracking = 'argocd.argoproj.io/tracking-id';
  const functionOf = (of: string, application: string, name = `${of}-hello`) =>
    ({
      ...{ apiVersion: 'openfaas.com/v1', kind: 'Function' },
      metadata: {
        ...{ name, namespace: 'openfaas-fn', labels: { [owner]: of } },
        annotations: { [tracking]: `${application}:openfaas.com/Function:openfaas-fn/${name}` },
      },
      spec: { name, image: 'registry.test/x:1' },
    }) as KubernetesObject;

  it("are kept from another tenant's Application, where tenants share a namespace", async () => {
    const stolen = functionOf('bob', 'tenant-alice');
    await refused(() => server.dryRun(stolen), /tenant-alice may not apply what is of bob/);
    await server.apply([functionOf('bob', 'tenant-bob')]);
    const taken = functionOf('alice', 'tenant-alice', 'bob-hello');
    await assert.rejects(server.dryRun(taken), /this object is of bob, not of alice/);
    await server.apply([functionOf('bob', 'tenant-bob'), functionOf('alice', 'tenant-alice')]);
  });
});

describe('what the manifest-writer hands to Flux', () => {
  const labels = (tenant: string, environment = 'default') => ({
    'towline.dev/tenant': tenant,
    'towline.dev/environment': environment,
  });
  const artifact = (name: string, metadata: object, spec: object = {}) => ({
    ...{ apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'ExternalArtifact' },
    ...{ metadata: { name, namespace: 'flux-system', ...metadata }, spec },
  });
  const create = (body: object, api = writer) => api.request(artifacts, { method: 'POST', body });
  const digest = `sha256:${'a'.repeat(64)}`;
  const lastUpdateTime = '2026-01-01T00:00:00Z';
  const statusAt = (url: string) => ({
    status: {
      artifact: { url, path: 'a.tar.gz', digest, revision: `latest@${digest}`, size: 1, lastUpdateTime },
    },
  });
  const own = 'http://manifest-writer.towline.svc:8090/a.tar.gz';

  it('is a tenant’s artifact, fetched from the manifest-writer', async () => {
    await create(artifact('tenant-alice', { labels: labels('alice') }));
    await create(artifact('tenant-alice.staging', { labels: labels('alice', 'staging') }));
    const ofSetUp = { 'towline.dev/set-up': 'alice', 'towline.dev/environment': 'default' };
    await create(artifact('set-up-alice', { labels: ofSetUp }));
    await create(
      artifact('set-up-alice.staging', { labels: { ...ofSetUp, 'towline.dev/environment': 'staging' } }),
    );
    await patch(writer, `${artifacts}/tenant-alice/status`, statusAt(own));
    await patch(writer, `${artifacts}/tenant-alice.staging/status`, statusAt(own));
  });

  it('is never what operators wrote, which is applied with all rights', async () => {
    await create(artifact('towline-releases', {}), admin);
    const words = /the manifest-writer hands over tenants' folders and set-ups, and nothing else/;
    await refused(() => patch(writer, `${artifacts}/towline-releases/status`, statusAt(own)), words);
    for (const body of [
      artifact('towline-platform', { labels: labels('alice') }),
      artifact('tenant-bob', { labels: labels('alice') }),
      artifact('tenant-bob.staging', { labels: labels('bob') }),
      artifact('tenant-bob', {}),
      // A set-up that is taken for a folder, or the other way round, would be handed over as what it isn't.
      artifact('set-up-bob', { labels: labels('bob') }),
      artifact('tenant-bob', { labels: { 'towline.dev/set-up': 'bob' } }),
      artifact('set-up-bob', { labels: { ...labels('bob'), 'towline.dev/set-up': 'bob' } }),
      artifact('tenant-bob', { labels: { ...labels('bob'), 'towline.dev/set-up': 'bob' } }),
      artifact('set-up-bob', { labels: { 'towline.dev/set-up': 'alice' } }),
    ]) {
      await assert.rejects(create(body), words, body.metadata.name);
    }
  });

  it('is not taken from where the manifest-writer isn’t', async () => {
    for (const url of [
      'http://203.0.113.9/a.tar.gz',
      'http://manifest-writer.towline.svc.evil.example/a.tar.gz',
      'http://manifest-writer.towline.svc@evil.example/a.tar.gz',
      'https://evil.example/manifest-writer.towline.svc/a.tar.gz',
      '',
    ]) {
      await assert.rejects(
        patch(writer, `${artifacts}/tenant-alice/status`, statusAt(url)),
        /archives come from http:\/\/manifest-writer\.towline\.svc/,
        url,
      );
    }
  });

  it('is not what source-watcher makes', async () => {
    const sourceRef = {
      ...{ apiVersion: 'source.extensions.fluxcd.io/v1beta1', kind: 'ArtifactGenerator' },
      ...{ name: 'towline', namespace: 'flux-system' },
    };
    const made = artifact('tenant-carol', { labels: labels('carol') }, { sourceRef });
    await assert.rejects(create(made), /hands over tenants' folders/);
    await create(made, admin);
    await assert.rejects(
      patch(writer, `${artifacts}/tenant-carol/status`, statusAt(own)),
      /hands over tenants' folders/,
    );
    await patch(admin, `${artifacts}/tenant-carol/status`, statusAt('http://source-watcher/a.tar.gz'));
  });
});

describe("the builder's right to ask for a look", () => {
  const manifest = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } });
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Namespace', name: 'towline', uid: 'x' }];
  const other = { metadata: { annotations: { 'argocd.argoproj.io/skip-reconcile': 'true' } } };
  const sides = [
    {
      engine: 'Argo CD',
      path: `${applications}/towline-platform`,
      key: 'argocd.argoproj.io/refresh',
      attempts: {
        'what it follows': { spec: { project: 'default' } },
        'a sync of its own': {
          operation: {
            initiatedBy: { username: 'admin' },
            sync: { manifests: [manifest], revision: 'main' },
          },
        },
        'what it is said to be': { status: { sync: { status: 'Synced', revision: 'f'.repeat(40) } } },
      },
    },
    {
      engine: 'Argo CD for a new folder',
      path: '/apis/argoproj.io/v1alpha1/namespaces/argocd/applicationsets/tenants',
      key: 'argocd.argoproj.io/application-set-refresh',
      attempts: { 'what it makes': { spec: { template: { spec: { project: 'towline' } } } } },
    },
    {
      engine: 'Flux',
      path: `${source}/gitrepositories/gitops`,
      key: 'reconcile.fluxcd.io/requestedAt',
      attempts: { 'what it follows': { spec: { url: 'https://evil.example.org/x.git' } } },
    },
    {
      engine: 'Flux for a folder',
      path: '/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/towline-platform',
      key: 'reconcile.fluxcd.io/requestedAt',
      attempts: {
        'what it applies': { spec: { path: './tenants/alice' } },
        'who applies it': { spec: { serviceAccountName: 'cluster-admin' } },
        'what is said in its place': { spec: { patches: [{ patch: manifest }] } },
      },
    },
  ];
  const everywhere = {
    'an annotation of another meaning': other,
    'a label': { metadata: { labels: { 'kustomize.toolkit.fluxcd.io/name': 'x' } } },
    'a finalizer': { metadata: { finalizers: ['resources-finalizer.argocd.argoproj.io'] } },
    'an owner': { metadata: { ownerReferences } },
  };
  for (const { engine, path, key, attempts } of sides) {
    it(`is one annotation, that of ${engine}`, async () => {
      const nudge = (value: string | null) =>
        patch(builder, path, { metadata: { annotations: { [key]: value } } });
      for (const value of ['normal', 'hard', null]) await nudge(value);
    });
    for (const [what, body] of Object.entries({ ...attempts, ...everywhere })) {
      it(`changes nothing else of ${engine}: ${what}`, async () => {
        await refused(
          () => patch(builder, path, body),
          /the builder may ask for a look, and change nothing else/,
        );
      });
    }
  }

  it('ends no sync, and takes no annotation away', async () => {
    const path = `${applications}/towline-sync`;
    const annotations = { 'argocd.argoproj.io/sync-wave': '1' };
    await patch(admin, path, { metadata: { annotations }, operation: { sync: { revision: 'main' } } });
    for (const body of [
      { operation: null },
      { metadata: { annotations: { 'argocd.argoproj.io/sync-wave': null } } },
      { metadata: { annotations: { 'argocd.argoproj.io/sync-wave': '2' } } },
    ]) {
      await assert.rejects(patch(builder, path, body), /change nothing else/);
    }
  });
});

describe('what the manifest-writer has applied', () => {
  const path = '/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations';
  const kustomization = (
    name: string,
    spec: object = {},
    labels: object = { 'towline.dev/set-up': 'alice' },
  ) => ({
    ...{ apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization' },
    metadata: { name, namespace: 'flux-system', labels },
    spec: {
      ...{ sourceRef: { kind: 'ExternalArtifact', name }, interval: '1h', prune: true },
      ...{ serviceAccountName: 'tenants', ...spec },
    },
  });
  const create = (body: object) => writer.request(path, { method: 'POST', query: { dryRun: 'All' }, body });
  const place = { name: 'set-up-alice', owner: 'alice', environment: 'default' };
  const { signal } = new AbortController();

  it('is a set-up, from its own artifact, as the account of the set-ups', async () => {
    await followSetUp(writer, 'flux-system', place, signal);
    const staging = { name: 'set-up-alice.staging', owner: 'alice', environment: 'staging' };
    await followSetUp(writer, 'flux-system', staging, signal);
    // It is put right, too.
    await patch(admin, `${path}/set-up-alice`, { spec: { suspend: true, path: './elsewhere' } });
    await followSetUp(writer, 'flux-system', place, signal);
    const { spec } = await admin.request<{ spec: { path: string } }>(`${path}/set-up-alice`);
    assert.equal(spec.path, './');
  });

  const attempts: Record<string, object> = {
    'what operators wrote': kustomization('towline-platform'),
    "a tenant's folder": kustomization('tenant-alice'),
    "another tenant's": kustomization('set-up-bob'),
    "another environment's": kustomization('set-up-alice.staging'),
    "nobody's": kustomization('set-up-alice', {}, {}),
    "called a folder's": kustomization('set-up-alice', {}, { 'towline.dev/tenant': 'alice' }),
    'something as the operators': kustomization('set-up-alice', { serviceAccountName: 'platform' }),
    'something as the controller': kustomization('set-up-alice', { serviceAccountName: undefined }),
    'the repository itself': kustomization('set-up-alice', {
      sourceRef: { kind: 'GitRepository', name: 'gitops' },
    }),
    'an artifact of others': kustomization('set-up-alice', {
      sourceRef: { kind: 'ExternalArtifact', name: 'towline-platform' },
    }),
    'something in another cluster': kustomization('set-up-alice', {
      kubeConfig: { secretRef: { name: 'x' } },
    }),
    'what a secret says': kustomization('set-up-alice', {
      postBuild: { substituteFrom: [{ kind: 'Secret', name: 'gitops' }] },
    }),
    'what only Flux can open': kustomization('set-up-alice', { decryption: { provider: 'sops' } }),
  };
  for (const [what, body] of Object.entries(attempts)) {
    it(`is never ${what}`, async () => {
      await refused(() => create(body), /the manifest-writer may have|a set-up is applied/);
    });
  }

  it('is not made of what is there already', async () => {
    const name = 'tenant-bob';
    await admin.request(path, {
      method: 'POST',
      body: kustomization(name, { serviceAccountName: name }, {}),
    });
    for (const body of [
      { metadata: { labels: { 'towline.dev/set-up': 'bob' } } },
      { spec: { serviceAccountName: 'tenants' } },
      { spec: { suspend: true } },
    ]) {
      await assert.rejects(patch(writer, `${path}/${name}`, body), /the manifest-writer may have/);
    }
    await assert.rejects(writer.request(`${path}/set-up-alice`, { method: 'DELETE' }), /forbidden/);
  });
});

describe("a tenant's set-up", () => {
  const rbac = 'rbac.authorization.k8s.io';
  const roleRef = (kind: string, name: string) => ({ apiGroup: rbac, kind, name });
  const subjects = [{ kind: 'ServiceAccount', name: 'manifest-writer', namespace: 'towline' }];
  const binding = (kind: string, ref: object, namespace?: string) => ({
    ...{ apiVersion: `${rbac}/v1`, kind, metadata: { name: 'tenant-x', namespace }, roleRef: ref, subjects },
  });
  const pod = { containers: [{ name: 'x', image: 'registry.test/x:1' }] };
  const applier = (spec: object, name = 'tenant-eve') => ({
    ...{ apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization' },
    metadata: { name, namespace: 'flux-system' },
    spec: {
      ...{ sourceRef: { kind: 'GitRepository', name: 'gitops' }, interval: '1h', prune: true },
      ...{ serviceAccountName: name, ...spec },
    },
  });
  const space = (name: string, labels: Record<string, string>) => ({
    ...named(name),
    metadata: { name, labels },
  });

  const labelsOf = (tenant: string, environment = 'default') => ({
    'towline.dev/tenant': tenant,
    'towline.dev/environment': environment,
    'pod-security.kubernetes.io/enforce': 'baseline',
  });

  it('is what the template makes', async () => {
    assert.ok(setUp.length > 8);
    await setUps.apply(setUp);
  });

  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'tenant-x', namespace: 'flux-system' },
  };
  const attempts: Record<string, object> = {
    'a right on the cluster': binding('ClusterRoleBinding', roleRef('ClusterRole', 'cluster-admin')),
    'a role of the cluster': {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'tenant-x' },
      rules: [],
    },
    "a right in the platform's namespace": binding('RoleBinding', roleRef('Role', 'x'), 'towline'),
    "a right in Flux's namespace": binding('RoleBinding', roleRef('Role', 'x'), 'flux-system'),
    "the cluster's rights in the tenant's namespace": binding(
      'RoleBinding',
      roleRef('ClusterRole', 'cluster-admin'),
      'tenant-alice',
    ),
    'a pod': {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'tenant-x', namespace: 'tenant-alice' },
      spec: pod,
    },
    "a secret of Flux's": secret,
    'a folder that is applied as the operators': applier({ serviceAccountName: 'platform' }),
    'a folder that is applied elsewhere': applier({ kubeConfig: { secretRef: { name: 'x' } } }),
    'what operators apply': applier({}, 'towline-platform'),
    'what applies a set-up': applier({}, 'set-up-eve'),
    'a namespace of another name': space('kube-system', { 'towline.dev/tenant': 'kube-system' }),
    'a namespace for privileged pods': space('tenant-eve', {
      ...{ 'towline.dev/tenant': 'eve', 'pod-security.kubernetes.io/enforce': 'privileged' },
    }),
    "another tenant's namespace": space('tenant-bob', labelsOf('alice')),
    'a namespace of no environment of this cluster': space('multi-tenant-eve', labelsOf('eve', 'multi')),
    "another environment's namespace": space('multi-tenant-eve', labelsOf('eve')),
    'a namespace of no environment': space('tenant-eve', {
      ...{ 'towline.dev/tenant': 'eve', 'pod-security.kubernetes.io/enforce': 'baseline' },
    }),
    'a policy': {
      ...{ apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: 'v1.x.example' } },
      spec: { group: 'x.example', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 },
    },
  };
  for (const [what, object] of Object.entries(attempts)) {
    it(`holds no more: ${what}`, async () => {
      await assert.rejects(
        setUps.dryRun(object as KubernetesObject),
        /a tenant's (set-up|namespace|folder) (may|is)/,
      );
    });
  }

  const remove = (name: string, query: Record<string, string> = {}) =>
    tenants.request(`/api/v1/namespaces/${name}`, { method: 'DELETE', query });

  for (const [name, tenant] of [
    ['multi-tenant-db', 'db'],
    ['tenant-db', 'db'],
    ['tenant-half', 'half'],
  ] as const) {
    it(`takes over and deletes no namespace of others, as ${name}`, async () => {
      const labels: Record<string, string> = { team: 'storage' };
      if (name === 'tenant-half') labels['towline.dev/environment'] = 'default';
      await server.apply([space(name, labels)]);
      for (const environment of ['default', 'multi']) {
        await assert.rejects(
          setUps.dryRun(space(name, labelsOf(tenant, environment))),
          /may change no namespace but that tenant's/,
        );
      }
      await assert.rejects(remove(name, { dryRun: 'All' }), /may change no namespace but that tenant's/);
      const role = {
        apiVersion: `${rbac}/v1`,
        kind: 'Role',
        metadata: { name: 'x', namespace: name },
        rules: [],
      };
      await assert.rejects(setUps.dryRun(role), /a tenant's set-up may not hold/);
    });
  }

  it("makes no tenant's namespace another's, or nobody's", async () => {
    for (const labels of [labelsOf('bob'), { ...labelsOf('alice'), 'towline.dev/tenant': '' }]) {
      await assert.rejects(setUps.dryRun(space('tenant-alice', labels)), /may change no namespace but/);
    }
  });

  it("takes its tenant's namespace away again", async () => {
    await remove('tenant-alice', { dryRun: 'All' });
  });
});
