import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KubernetesObject } from '@kubernetes/client-node';
import { createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { clientOf, until } from '../../test/cluster/kubernetes/apply.ts';
import { type ControlPlane, startControlPlane } from '../../test/cluster/kubernetes/control-plane.ts';
import { functionDefinition } from '../../test/cluster/kubernetes/openfaas.ts';
import { type ServerSideApply, serverSideApply } from '../../test/cluster/kubernetes/server-side-apply.ts';
import { definitionsOf, toolCrds } from '../../test/cluster/tools.ts';
import { appliedPaths, build, rendered } from './rendered-fixture.ts';

let plane: ControlPlane;
let server: ServerSideApply;
before(async () => {
  plane = await startControlPlane();
  server = serverSideApply(createClusterApi(clientOf(await plane.kubeconfig())));
  await server.apply([await functionDefinition()]);
  await server.define([
    ...(await toolCrds('source-controller', 'kustomize-controller', 'source-watcher')),
    ...(await definitionsOf('argo-cd', 'helm-controller', 'sealed-secrets', 'gateway-api')),
  ]);
});
after(() => plane?.[Symbol.asyncDispose]());

const isNamespace = ({ kind }: KubernetesObject) => kind === 'Namespace';
const named = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

const installations: Record<string, Record<string, unknown>> = {
  'Flux with a generator': { delivery: 'generator' },
  'Flux with published artifacts, for Knative': { delivery: 'published', target: 'knative' },
  'Flux on the repository, for plain Kubernetes, without charts': {
    ...{ delivery: 'repository', target: 'kubernetes', openfaas: false, sealedSecrets: false },
  },
  'Flux without user namespaces for builds, all namespaces followed in one go': {
    ...{ buildIsolation: 'none', followedNamespaces: 'all' },
  },
  'Flux with two environments': { environments: [{ name: 'default' }, { name: 'staging' }] },
  'Flux with a generator, for another environment in another cluster, for Knative': {
    ...{ cluster: 'production', environments: [{ name: 'production' }] },
    ...{ delivery: 'generator', target: 'knative' },
  },
  'Flux without a tenant': { tenants: [] },
  'Argo CD': { engine: 'argocd' },
  'Argo CD with two environments, for plain Kubernetes': {
    ...{ engine: 'argocd', target: 'kubernetes' },
    environments: [{ name: 'default' }, { name: 'staging' }],
  },
  'Argo CD without a tenant': { engine: 'argocd', tenants: [] },
};

interface Built {
  files: Map<string, string>;
  /** By the folder that an engine applies. */
  objects: Map<string, KubernetesObject[]>;
}

const builds = new Map<string, Promise<Built>>();

/** What kustomize makes of an installation: it is asked once for each folder. */
function builtOf(title: string): Promise<Built> {
  const known = builds.get(title);
  if (known) return known;
  const making = (async () => {
    const files = await rendered(installations[title] ?? {});
    const objects = new Map<string, KubernetesObject[]>();
    for (const path of appliedPaths(files)) objects.set(path, await build(files, path));
    return { files, objects };
  })();
  builds.set(title, making);
  return making;
}

interface Pod extends KubernetesObject {
  spec: Record<string, unknown>;
}

/** What a Deployment or StatefulSet makes, as the API server is then asked for it. */
function podOf(object: KubernetesObject): Pod | undefined {
  const { kind, metadata, spec } = object as KubernetesObject & {
    spec?: {
      template?: { spec: Record<string, unknown> };
      volumeClaimTemplates?: { metadata: { name: string } }[];
    };
  };
  if (!spec?.template || (kind !== 'Deployment' && kind !== 'StatefulSet')) return undefined;
  const claimed = (spec.volumeClaimTemplates ?? []).map(({ metadata: { name } }) => ({ name, emptyDir: {} }));
  const volumes = [...((spec.template.spec['volumes'] as object[] | undefined) ?? []), ...claimed];
  const place = { name: metadata?.name ?? '', namespace: metadata?.namespace ?? '' };
  return { apiVersion: 'v1', kind: 'Pod', metadata: place, spec: { ...spec.template.spec, volumes } };
}

describe('the GitOps repository of an installation', () => {
  for (const title of Object.keys(installations)) {
    it(`builds and is accepted by the API server: ${title}`, async () => {
      const objects = [...(await builtOf(title)).objects.values()].flat();
      const spaces = ['flux-system', 'argocd'].map(named);
      await server.apply([...spaces, ...objects.filter(isNamespace)]);
      for (const object of objects) await server.dryRun(object);
      assert.ok(objects.length > 30, `${objects.length} objects`);
    });
  }

  it('has no object twice', async () => {
    for (const title of Object.keys(installations)) {
      const applied = [...(await builtOf(title)).objects].filter(([path]) => !path.includes('examples/'));
      const objects = applied.flatMap(([, some]) => some);
      const keys = objects.map(({ kind, metadata }) => `${kind} ${metadata?.namespace}/${metadata?.name}`);
      assert.deepEqual(keys.toSorted(), [...new Set(keys)].toSorted());
    }
  });

  it('has no manifest that the API server would take with a misspelt field', async () => {
    const [namespace] = await build(await rendered({}), 'platform');
    await assert.rejects(server.dryRun({ ...namespace, specc: {} } as KubernetesObject), /specc/);
  });

  it("has the platform's pods within the restricted standard, by the API server's own judgement", async () => {
    const objects = await build(await rendered({}), 'platform');
    await server.apply(objects.filter(({ kind }) => kind === 'Namespace' || kind === 'ServiceAccount'));
    const pods = objects.flatMap((object) => podOf(object) ?? []);
    const names = pods.map(({ metadata }) => metadata?.name);
    for (const name of ['router', 'builder', 'manifest-writer', 'auth', 'ui', 'registry']) {
      assert.ok(names.includes(name), name);
    }
    for (const pod of pods) await server.dryRun(pod);

    const [router] = pods.filter(({ metadata }) => metadata?.name === 'router');
    const asRoot = { ...router, spec: { ...router?.spec, securityContext: { runAsUser: 0 } } };
    await assert.rejects(server.dryRun(asRoot), /violates PodSecurity "restricted/);
  });

  it("refuses a builder's pod without a user namespace, as an older cluster would leave it", async () => {
    const objects = await build(await rendered({}), 'platform');
    const isPolicy = ({ kind = '' }: KubernetesObject) => kind.startsWith('ValidatingAdmissionPolicy');
    const needed = objects.filter(
      (one) => isNamespace(one) || isPolicy(one) || one.kind === 'ServiceAccount',
    );
    await server.apply(needed);
    const pod = objects
      .flatMap((object) => podOf(object) ?? [])
      .find(({ metadata }) => metadata?.name === 'buildkitd');
    assert.ok(pod);
    const { hostUsers: _, ...spec } = pod.spec;
    const [container] = spec['containers'] as { securityContext: object }[];
    // Without user namespaces the API server drops both.
    const dropped = { ...spec, containers: [{ ...container, securityContext: {} }] };
    await until(async () => {
      const refused = await server.dryRun({ ...pod, spec: dropped } as Pod).catch(String);
      return /in a user namespace of their own/.test(String(refused));
    }, 'the policy to hold');
    await server.dryRun(pod);
  });

  it('has none of the programs if no image is named, as where they run elsewhere', async () => {
    const files = await rendered({ image: undefined });
    assert.deepEqual(
      [...files.keys()].filter((path) => /^platform\/(router|builder|auth|ui|settings)\.yaml$/.test(path)),
      [],
    );
  });

  it("locks down Flux's own controllers", async () => {
    const objects = await build(await rendered({}), 'flux/system');
    const argumentsOf = (name: string): string[] => {
      const found = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata?.name === name);
      const { spec } = found as unknown as {
        spec: { template: { spec: { containers: { args: string[] }[] } } };
      };
      return spec.template.spec.containers[0]?.args ?? [];
    };
    const kustomizer = argumentsOf('kustomize-controller');
    for (const flag of [
      ...['--no-cross-namespace-refs=true', '--no-remote-bases=true', '--default-service-account=powerless'],
      '--feature-gates=ExternalArtifact=true,CancelHealthCheckOnNewRevision=true',
    ]) {
      assert.ok(kustomizer.includes(flag), flag);
    }
    assert.ok(argumentsOf('source-watcher').includes('--no-cross-namespace-refs=true'));
    const bound = objects.filter(({ kind }) => kind === 'ClusterRoleBinding');
    assert.doesNotMatch(JSON.stringify(bound), /powerless/);
  });

  it('lets Flux substitute nothing, and applies nothing without a service account', async () => {
    for (const title of Object.keys(installations)) {
      const built = await builtOf(title);
      for (const [path, text] of built.files) {
        assert.doesNotMatch(text, /^\s*postBuild:/m, path);
      }
      const objects = [...built.objects.values()].flat() as (KubernetesObject & {
        spec?: { serviceAccountName?: string };
      })[];
      for (const { kind, metadata, spec } of objects) {
        if (kind !== 'Kustomization' && kind !== 'HelmRelease') continue;
        assert.ok(spec?.serviceAccountName, metadata?.name);
      }
    }
  });
});
