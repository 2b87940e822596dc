import { z } from 'zod';
import { defaultEnvironment, whyNotEnvironment } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import { OwnerSlug, whyNotOwner } from '../../core/names.ts';
import { whyNotTenantEnvironment } from '../../core/tenants.ts';
import { followedNamespaces } from '../../runtime/kubernetes/cluster-settings.ts';
import { clusterPattern, gitOpsEngines } from '../provisioning/set-up.ts';
import { targets } from '../render/target.ts';
import { fromYaml } from '../render/yaml-text.ts';

const dnsName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/;
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const Namespace = z.string().regex(label, 'a namespace');
const Environment = z.string().superRefine((name, context) => {
  const message = whyNotEnvironment(name) ?? whyNotTenantEnvironment(name);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});
const storage = z.string().regex(/^[1-9][0-9]{0,5}(Mi|Gi|Ti)$/, 'as 50Gi');
/** A chart's version, or `false` if the cluster has it already. A range is for whoever wants another cluster from the same commit. */
const chart = (version: string) =>
  z.union([z.literal(false), z.string().regex(/^[0-9a-z.<>=^~* -]{1,40}$/, 'a version')]).default(version);

const Settings = z.strictObject({
  /** Where the cluster reads the repository. */
  repository: z
    .string()
    .regex(
      /^(https|http|ssh):\/\/[^\s/@:]+(@[^\s/@:]+)?(:[0-9]+)?\/[^\s?#]+$/,
      'an address without a password',
    ),
  branch: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$/)
    .default('main'),
  engine: z.enum(gitOpsEngines).default('flux'),
  /**
   * Of several clusters that read the repository, which one this is: a folder `clusters/<name>/`. The first one has no
   * name, and the repository's root.
   */
  cluster: z.string().regex(clusterPattern, 'a DNS label').default(''),
  /** What this cluster serves; each has its own folders of tenants, namespaces and rights. */
  environments: z
    .array(z.strictObject({ name: Environment, namespace: Namespace.optional() }))
    .min(1)
    .max(100)
    .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'one is there twice')
    .default([{ name: defaultEnvironment }]),
  /** How a tenant's folder reaches Flux: docs/adr/0010. `published` needs a manifest-writer that does it. */
  delivery: z.enum(['published', 'generator', 'repository']).default('published'),
  /** Where Flux finds the manifest-writer: the host of its `TOWLINE_PUBLISH_ORIGIN`. Archives come from nowhere else. */
  publishHost: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'a host name')
    .default('manifest-writer.towline.svc'),
  target: z.enum(targets).default('openfaas'),
  /** Owners get a host each below it. */
  domain: z.string().regex(dnsName, 'a host name'),
  registry: z.string().regex(dnsName, 'a host name'),
  /** Where the Ingress controller or Gateway runs. */
  edgeNamespace: Namespace.default('ingress-nginx'),
  /**
   * On which ports the edge's pods serve TLS: of the pods, not of their Service. Builds push and functions call each
   * other through them. A Kubernetes NetworkPolicy sees where a connection ends, not the address that it was meant for.
   */
  edgePorts: z.array(z.int().min(1).max(65_535)).min(1).max(10).default([443]),
  /** Of an edge that isn't a pod of the cluster's network: a load balancer or nodes within `privateNetworks`. */
  edgeAddresses: z.array(z.cidrv4()).max(50).default([]),
  /** What builds and functions must not reach: the cluster's own networks, and the metadata services of clouds. */
  privateNetworks: z
    .array(z.cidrv4())
    .min(1)
    .max(50)
    .default(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '100.64.0.0/10']),
  /** Of the programs, by its digest. Without it `platform/` has no Deployments of them: they run elsewhere. */
  image: z
    .string()
    .regex(
      /^[a-z0-9.-]+(:[0-9]+)?(\/[a-z0-9._-]+)+(:[\w.-]+)?@sha256:[0-9a-f]{64}$/,
      'an image with its digest',
    )
    .optional(),
  /** Addresses of the Ingress controller's or Gateway's pods, whose word is taken for where a request came from. */
  trustedProxies: z.array(z.cidrv4()).max(50).default([]),
  /** What the builder and the manifest-writer each keep. */
  stateStorage: storage.default('20Gi'),
  /**
   * What keeps one tenant's build from another's: a user namespace of the daemon's own, which Kubernetes gives pods from
   * 1.33 on. `none`: a rootless daemon whose steps see each other, for those who trust each other.
   */
  buildIsolation: z.enum(['userNamespaces', 'none']).default('userNamespaces'),
  builders: z.int().min(1).max(100).default(2),
  builderStorage: storage.default('50Gi'),
  registryStorage: storage.default('100Gi'),
  /** How the programs follow functions, and so what they may read (Flux): docs/adr/0018. */
  followedNamespaces: z.enum(followedNamespaces).default('tenants'),
  maxFunctions: z.int().min(1).max(10_000).default(100),
  /** What all functions of a tenant may take together, in each environment; cpu in cores, as they request it. */
  share: z
    .strictObject({
      pods: z.int().min(1).max(100_000).default(200),
      cpu: z.int().min(1).max(100_000).default(50),
      memory: storage.default('100Gi'),
      disk: storage.default('200Gi'),
    })
    .prefault({}),
  openfaas: chart('14.2.132'),
  sealedSecrets: chart('2.19.3'),
  tenants: z.array(OwnerSlug).max(5000).default([]),
});

/** What a GitOps repository is made for: the file that `npm run init-gitops` reads. */
export const InstallationConfig = Settings.superRefine(({ domain, registry }, context) => {
  const message = whyNotRegistry(registry, domain);
  if (message !== undefined) context.addIssue({ code: 'custom', path: ['registry'], message });
});
export type InstallationConfig = z.infer<typeof InstallationConfig>;

/** Every owner has a host below the domain, and would get what is meant for a registry of that name. */
function whyNotRegistry(registry: string, domain: string): string | undefined {
  if (registry === domain) return 'the dashboard has that host';
  if (!registry.endsWith(`.${domain}`)) return undefined;
  const owner = registry.slice(0, -domain.length - 1);
  if (whyNotOwner(owner) !== undefined) return undefined;
  return `an owner could be called "${owner}": use "registry.${domain}", or a host that is not below "${domain}"`;
}

/** Reads the file's text. Throws `config_invalid` with every problem. */
export function readInstallation(text: string): InstallationConfig {
  const result = InstallationConfig.safeParse(fromYaml(text));
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'the file'}: ${message}`,
  );
  throw new TowlineError(
    'config_invalid',
    `the installation's file has ${problems.length} problem(s)\n  ${problems.join('\n  ')}`,
  );
}
