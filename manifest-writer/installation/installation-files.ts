import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultEnvironment } from '../../core/environments.ts';
import { tenantNamespace, tenantObject } from '../../core/tenants.ts';
import { environmentFolder, tenantFolder } from '../paths.ts';
import { clusterFolder, renderSetUp, setUpPath, templatePath } from '../provisioning/set-up.ts';
import { toYaml } from '../render/yaml-text.ts';
import { fillTemplate, type TemplateValues } from './fill-template.ts';
import type { InstallationConfig } from './installation-config.ts';

/** Where the tenants' objects are on a cluster whose tenants share a namespace. */
const sharedNamespace = 'openfaas-fn';

const targetKinds = {
  openfaas: [{ group: 'openfaas.com', kind: 'Function' }],
  knative: [{ group: 'serving.knative.dev', kind: 'Service' }],
  kubernetes: [
    { group: 'apps', kind: 'Deployment' },
    { group: '', kind: 'Service' },
    { group: 'autoscaling', kind: 'HorizontalPodAutoscaler' },
  ],
} as const;
const sentinelKind = { group: '', kind: 'ConfigMap' };
const sealedSecretKind = { group: 'bitnami.com', kind: 'SealedSecret' };

/** A tenant that is set up already; its file is made anew. */
export interface KnownTenant {
  owner: string;
  environment: string;
}

/**
 * Every file of the GitOps repository that this cluster needs, by its path there: `gitops-repo-template/` with the
 * installation's values. What follows from other files follows from what `settled` makes of them, with an operator's
 * changes: tenants from their template, restarts from the settings.
 */
export async function installationFiles(
  templateDir: string,
  config: InstallationConfig,
  known: readonly KnownTenant[] = [],
  settled: (path: string, made: string) => Promise<string> = async (_, made) => made,
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const folder = clusterFolder(config.cluster);
  const given = installationValues(config);
  const digestOf = async (path: string) => {
    if (config.image === undefined) return '';
    const made = fillTemplate(await readFile(join(templateDir, path), 'utf8'), given, path);
    const text = await settled(`${folder}${path}`, made);
    return createHash('sha256').update(text).digest('hex').slice(0, 16);
  };
  const values = {
    ...given,
    settingsDigest: await digestOf('platform/settings.yaml'),
    forgesDigest: await digestOf('platform/forges.yaml'),
  };

  async function addFolder(from: string, to: string, omitted: ReadonlySet<string> = new Set()) {
    const entries = await readdir(join(templateDir, from), { recursive: true, withFileTypes: true });
    for (const entry of entries.filter((one) => one.isFile())) {
      const path = join(entry.parentPath, entry.name).slice(join(templateDir, from).length + 1);
      if (omitted.has(path)) continue;
      const text = await readFile(join(templateDir, from, path), 'utf8');
      const isManifest = path.endsWith('.yaml');
      files.set(join(to, path), isManifest ? fillTemplate(text, values, `${from}/${path}`) : text);
    }
  }

  const part = async (path: string, of: TemplateValues) =>
    fillTemplate(await readFile(join(templateDir, path), 'utf8'), { ...values, ...of }, path).trimEnd();
  const parts = async (paths: string[], of: TemplateValues) =>
    `${(await Promise.all(paths.map((path) => part(path, of)))).join('\n---\n')}\n`;

  await addFolder('base', '');
  await addFolder('platform', `${folder}platform`, omittedOf(config));
  // With what is applied by hand before anything else: no right comes before the policy that bounds it.
  await addFolder('admission', `${folder}${config.engine === 'flux' ? 'flux/system' : 'argocd/sync'}`);
  await addFolder('examples', `${folder}examples`);
  await addFolder(config.engine, `${folder}${config.engine}`, omittedOf(config));
  for (const environment of config.environments) {
    const { perEnvironment, perTenant } = partsOf(config);
    const of = { ...environmentValues(config, environment), ...tenantValues(config, environment) };
    const place = { ...config, environment: environment.name };
    const path = templatePath(place);
    const made = `${templateHead}${await parts(perTenant, of)}`;
    files.set(path, made);
    const template = await settled(path, made);
    if (perEnvironment.length > 0) {
      const at = `${folder}${config.engine}/sync/tenants-${environment.name}.yaml`;
      files.set(at, await parts(perEnvironment, of));
    }
    const owners = known.filter((one) => one.environment === environment.name).map(({ owner }) => owner);
    for (const owner of new Set([...config.tenants, ...owners])) {
      files.set(setUpPath(place, owner), renderSetUp(template, owner, path));
    }
  }
  return files;
}

/** A comment of its own, so that it isn't taken for one of what follows. */
const templateHead = `# A tenant: its namespace, its rights, and what applies its folder. Made from the template in tenant-template/, by
# Towline or by "npm run init-gitops": for tenants to come, change that one.

`;

/** With Flux each tenant has a namespace; with Argo CD those of an environment share one. */
function partsOf({ engine, delivery, target, sealedSecrets }: InstallationConfig) {
  const rights = [`tenant/role-${target}.yaml`, 'tenant/role-binding.yaml'];
  if (sealedSecrets !== false) rights.push('tenant/role-sealed-secrets.yaml');
  if (engine === 'argocd') {
    return {
      perEnvironment: [
        'tenant/namespace.yaml',
        'tenant/quota-shared.yaml',
        ...rights,
        'environment/argocd.yaml',
      ],
      perTenant: ['tenant/sentinel.yaml', 'tenant/argocd.yaml'],
    };
  }
  return {
    perEnvironment: delivery === 'generator' ? ['environment/flux.yaml'] : [],
    perTenant: [
      'tenant/namespace.yaml',
      'tenant/quota.yaml',
      ...rights,
      'tenant/sentinel.yaml',
      'tenant/flux.yaml',
    ],
  };
}

/** What runs Towline's own programs. */
const programFiles = ['router', 'builder', 'manifest-writer', 'auth', 'ui', 'settings', 'forges'].map(
  (name) => `${name}.yaml`,
);

function omittedOf(config: InstallationConfig): Set<string> {
  const { engine, delivery, openfaas, sealedSecrets, target, image, followedNamespaces, buildIsolation } =
    config;
  const omitted = new Set<string>(image === undefined ? programFiles : []);
  if (delivery === 'repository') omitted.add('sync/artifacts.yaml');
  omitted.add(buildIsolation === 'none' ? 'buildkit.yaml' : 'buildkit-rootless.yaml');
  omitted.add(followedNamespaces === 'all' ? 'sync/readers.yaml' : 'sync/readers-all.yaml');
  for (const name of omittedSetUpFiles[setUpsBy(config)]) omitted.add(name);
  if (delivery !== 'published') omitted.add('sync/publisher-role.yaml');
  // Not in flux/sync: its namespace comes with the rest of platform/, which flux/sync brings.
  if (engine !== 'flux' || delivery !== 'published') omitted.add('publisher-network.yaml');
  if (openfaas === false || target !== 'openfaas') omitted.add('releases/openfaas.yaml');
  if (sealedSecrets === false) omitted.add('releases/sealed-secrets.yaml');
  return omitted;
}

/** How tenants' set-ups get into the cluster. */
type SetUpDelivery = 'each' | 'artifact' | 'repository';

/** `each`: by the manifest-writer, one by one. It does so for the installation's first cluster alone. */
function setUpsBy({ delivery, cluster }: InstallationConfig): SetUpDelivery {
  if (delivery === 'repository') return 'repository';
  return delivery === 'published' && cluster === '' ? 'each' : 'artifact';
}

const publisherFiles = [
  'sync/publisher.yaml',
  'system/publisher/role/role.yaml',
  'system/publisher/binding/role-binding.yaml',
];
const omittedSetUpFiles: Record<SetUpDelivery, readonly string[]> = {
  each: ['sync/set-ups.yaml', 'sync/set-up-artifacts.yaml'],
  artifact: publisherFiles,
  repository: ['sync/set-up-artifacts.yaml', ...publisherFiles],
};

function installationValues(config: InstallationConfig): TemplateValues {
  const { openfaas, sealedSecrets, tenants: _, environments: __, cluster, share, ...values } = config;
  const kinds = [...targetKinds[config.target], sentinelKind];
  return {
    ...values,
    folder: clusterFolder(cluster),
    ...platformSources(config),
    ...edgeValues(config),
    environmentNames: config.environments.map(({ name }) => name).join(','),
    image: config.image ?? '',
    sharePods: share.pods,
    shareCpu: share.cpu,
    shareMemory: share.memory,
    shareDisk: share.disk,
    trustedProxies: config.trustedProxies.join(','),
    namespacePerTenant: String(config.engine === 'flux'),
    rules: rulesOf(config),
    openfaasChart: openfaas === false ? '' : openfaas,
    sealedSecretsChart: sealedSecrets === false ? '' : sealedSecrets,
    targetKinds: sealedSecrets === false ? kinds : [...kinds, sealedSecretKind],
  };
}

/** The rules of the installation as all programs read them: docs/environments.md. */
function rulesOf({ target, environments }: InstallationConfig): string {
  const others = environments.filter(({ name }) => name !== defaultEnvironment);
  return toYaml({ target, ...(others.length > 0 ? { environments: others } : {}) });
}

/** How what runs strangers' code reaches the edge, as peers and ports of a NetworkPolicy. */
function edgeValues({ edgeNamespace, edgeAddresses, edgePorts }: InstallationConfig): TemplateValues {
  const matchLabels = { 'kubernetes.io/metadata.name': edgeNamespace };
  return {
    edgePeers: [
      { namespaceSelector: { matchLabels } },
      ...edgeAddresses.map((cidr) => ({ ipBlock: { cidr } })),
    ],
    edgePorts: edgePorts.map((port) => ({ protocol: 'TCP', port })),
  };
}

/** Where Flux reads what operators wrote: each folder as an artifact of its own, if something makes them. */
function platformSources({ delivery, cluster }: InstallationConfig): TemplateValues {
  const isWhole = delivery === 'repository';
  const paths = {
    system: 'flux/system',
    platform: 'platform',
    releases: 'flux/releases',
    tenants: 'flux/tenants',
  };
  const sources = Object.entries(paths).flatMap(([name, path]) => [
    [`${name}Source`, isWhole ? 'gitops' : `towline-${name}`],
    [`${name}Path`, isWhole ? `./${clusterFolder(cluster)}${path}` : './'],
  ]);
  return { platformKind: isWhole ? 'GitRepository' : 'ExternalArtifact', ...Object.fromEntries(sources) };
}

type InstalledEnvironment = InstallationConfig['environments'][number];

function environmentValues(config: InstallationConfig, { name }: InstalledEnvironment): TemplateValues {
  const suffix = name === defaultEnvironment ? '' : `.${name}`;
  return {
    ...{ environment: name, suffix, tenantsFolder: environmentFolder(name) },
    tenants: `tenants${suffix}`,
    namespaceTenant: config.engine === 'argocd' ? '' : anyTenant,
  };
}

/** The one thing that a tenant's template leaves open. */
const anyTenant = `\${tenant}`;

/** Argo CD applies into the namespace that a manifest names, and Towline writes one for all tenants. */
function tenantValues(config: InstallationConfig, { name, namespace }: InstalledEnvironment): TemplateValues {
  const object = tenantObject(anyTenant, name);
  if (config.engine === 'argocd') {
    const shared =
      namespace ?? (name === defaultEnvironment ? sharedNamespace : `${sharedNamespace}-${name}`);
    return {
      ...{ tenant: anyTenant, object, namespace: shared },
      ...{ applier: 'towline-tenants', engineNamespace: 'argocd' },
    };
  }
  const source =
    config.delivery === 'repository'
      ? {
          sourceKind: 'GitRepository',
          sourceName: 'gitops',
          sourcePath: `./${tenantFolder(anyTenant, name)}`,
        }
      : { sourceKind: 'ExternalArtifact', sourceName: object, sourcePath: './' };
  return {
    ...{ ...source, tenant: anyTenant, object, namespace: tenantNamespace(anyTenant, name) },
    ...{ applier: object, engineNamespace: 'flux-system' },
  };
}
