import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
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

/**
 * Every file of the GitOps repository of an installation, by its path there: `gitops-repo-template/` with the
 * installation's values.
 */
export async function installationFiles(
  templateDir: string,
  config: InstallationConfig,
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const values = installationValues(config);

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

  async function part(path: string, of: TemplateValues): Promise<string> {
    return fillTemplate(
      await readFile(join(templateDir, 'tenant', path), 'utf8'),
      { ...values, ...of },
      path,
    );
  }
  const parts = async (paths: string[], of: TemplateValues) =>
    (await Promise.all(paths.map((path) => part(path, of)))).map((text) => text.trimEnd()).join('\n---\n');

  await addFolder('base', '');
  await addFolder('platform', 'platform');
  await addFolder('examples', 'examples');
  await addFolder(config.engine, config.engine, omittedOf(config));
  const rights = ['namespace.yaml', `role-${config.target}.yaml`, 'role-binding.yaml'];
  if (config.sealedSecrets !== false) rights.push('role-sealed-secrets.yaml');
  if (config.engine === 'argocd') {
    files.set('argocd/tenants/namespace.yaml', `${await parts(rights, sharedValues(config))}\n`);
  }
  for (const tenant of config.tenants) {
    const own =
      config.engine === 'flux'
        ? await parts([...rights, 'flux.yaml'], tenantValues(config, tenant))
        : await parts(['argocd.yaml'], { ...sharedValues(config), tenant });
    files.set(`${config.engine}/tenants/${tenant}.yaml`, `${own}\n`);
  }
  return files;
}

function omittedOf({ delivery, openfaas, sealedSecrets, target }: InstallationConfig): Set<string> {
  const omitted = new Set<string>();
  if (delivery !== 'generator') omitted.add('sync/artifacts.yaml');
  if (delivery !== 'published') omitted.add('sync/publisher-role.yaml');
  if (openfaas === false || target !== 'openfaas') omitted.add('releases/openfaas.yaml');
  if (sealedSecrets === false) omitted.add('releases/sealed-secrets.yaml');
  return omitted;
}

function installationValues(config: InstallationConfig): TemplateValues {
  const { openfaas, sealedSecrets, tenants: _, ...values } = config;
  const kinds = [...targetKinds[config.target], sentinelKind];
  return {
    ...values,
    openfaasChart: openfaas === false ? '' : openfaas,
    sealedSecretsChart: sealedSecrets === false ? '' : sealedSecrets,
    targetKinds: sealedSecrets === false ? kinds : [...kinds, sealedSecretKind],
    namespace: sharedNamespace,
  };
}

function tenantValues({ delivery }: InstallationConfig, tenant: string): TemplateValues {
  const name = `tenant-${tenant}`;
  const source =
    delivery === 'repository'
      ? { sourceKind: 'GitRepository', sourceName: 'gitops', sourcePath: `./tenants/${tenant}` }
      : { sourceKind: 'ExternalArtifact', sourceName: name, sourcePath: './' };
  return {
    ...{ ...source, tenant, namespace: name, applier: name, engineNamespace: 'flux-system' },
    sentinels: [`towline-tenant-${tenant}`],
  };
}

/**
 * Argo CD applies into the namespace that a manifest names, and Towline writes one for all. A role without any name
 * would be one for all names.
 */
function sharedValues({ tenants }: InstallationConfig): TemplateValues {
  return {
    ...{ tenant: '', namespace: sharedNamespace, applier: 'towline-tenants', engineNamespace: 'argocd' },
    sentinels: ['towline-tenants', ...tenants.map((tenant) => `towline-tenant-${tenant}`)],
  };
}
