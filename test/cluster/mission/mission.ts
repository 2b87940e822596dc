import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProcess } from '../../../runtime/run-process.ts';
import { makeBaseImage, pushBaseImage } from '../../containers/base-image.ts';
import { startBuildkitd, type TestBuildkitd } from '../../containers/buildkitd.ts';
import { startRegistry, type TestRegistry } from '../../containers/registry.ts';
import { ownedFolder } from '../../containers/test-owner.ts';
import type { Clone } from '../../e2e/git-client.ts';
import { type CutOff, startCutOff } from '../kubernetes/cut-off.ts';
import { type MissionCluster, startMissionCluster } from './cluster.ts';
import { type Edge, startEdge } from './edge.ts';
import { type FunctionServices, startFunctionServices } from './function-services.ts';
import { type GitHost, startGitHost } from './git-hosts.ts';
import { initGitOps } from './gitops-files.ts';
import { type AllPorts, choosePorts, createPrograms, type Programs, programNames } from './programs.ts';

/** Everything that is outside of the cluster and outlives it. */
export interface Outside extends AsyncDisposable {
  dir: string;
  git: GitHost;
  gitOpsUrl: string;
  /** A person's clone of the GitOps repository. */
  gitOps: Clone;
  /** As `npm run init-gitops` wrote them. */
  files: Map<string, string>;
  registry: TestRegistry;
  /** Of a team with its own CI. */
  ciRegistry: TestRegistry;
  buildkitd: TestBuildkitd;
  /** Of the functions' base image. */
  baseImage: string;
  ports: AllPorts;
  edge: Edge;
}

export async function startOutside(): Promise<Outside> {
  await using stack = new AsyncDisposableStack();
  const dir = await ownedFolder('mission');
  stack.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  const ports = await choosePorts();
  const edge = stack.use(
    await startEdge({
      builder: ports.builder.port,
      auth: ports.auth.port,
      ui: ports.ui.port,
      router: ports.router.port,
    }),
  );
  const git = stack.use(await startGitHost(join(dir, 'git')));
  const registry = stack.use(await startRegistry());
  const ciRegistry = stack.use(await startRegistry());
  const buildkitd = stack.use(await startBuildkitd({ registries: [registry.host] }));
  const { image } = await pushBaseImage(registry, await makeBaseImage('node'));
  const gitOpsUrl = await git.create('gitops.git');
  const gitOps = stack.use(
    await git.clone('gitops.git', { name: 'Olga Operator', email: 'olga@example.org' }),
  );
  const files = await initGitOps(gitOps, {
    ...{ repository: gitOpsUrl, domain: 'fn.example.org', registry: 'registry.example.org' },
    image: `registry.example.org/towline@sha256:${'0'.repeat(64)}`,
    publishHost: '127.0.0.1',
  });
  const resources = stack.move();
  return {
    ...{ dir, git, gitOpsUrl, gitOps, files, registry, ciRegistry, buildkitd, baseImage: image, ports, edge },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Files that a cluster mounts as Secrets. */
export interface SecretFiles {
  serviceToken: string;
  webhookSecret: string;
  gitOpsToken: string;
  signingKey: string;
  /** `TOWLINE_SOURCE_CREDENTIALS`. */
  sources: string;
}

/** The platform in one cluster: made new, it has nothing but what is outside. */
export interface Mission extends AsyncDisposable {
  outside: Outside;
  cluster: MissionCluster;
  services: FunctionServices;
  programs: Programs;
  secrets: SecretFiles;
  /** The router's way to the API server. */
  routerWay: CutOff;
}

/** Functions that may have a Service, as `alice/hello`. */
export async function startMission(outside: Outside, functions: readonly string[]): Promise<Mission> {
  await using stack = new AsyncDisposableStack();
  const dir = join(outside.dir, `installation-${randomBytes(3).toString('hex')}`);
  await mkdir(dir, { recursive: true });
  const { username, password } = outside.git;
  const cluster = stack.use(await startMissionCluster({ username, password, files: outside.files }));
  const services = stack.use(await startFunctionServices(cluster.api, functions, dir));
  const secrets = await writeSecrets(outside, join(dir, 'secrets'));
  const routerWay = stack.use(await startCutOff(cluster.plane.server));
  const env = await environments(outside, cluster, services, { ...secrets, routerServer: routerWay.url });
  const { ports } = outside;
  const programs = stack.use(createPrograms({ ports, dir, env, hostsFile: services.hostsFile }));
  await Promise.all(programNames.map(programs.start));
  const resources = stack.move();
  return {
    ...{ outside, cluster, services, programs, secrets, routerWay },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function writeSecrets({ dir, git }: Outside, at: string): Promise<SecretFiles> {
  const host = new URL(git.origin).host.replace(':', '_');
  const files = {
    serviceToken: join(at, 'service-token'),
    webhookSecret: join(at, 'webhook-secret'),
    gitOpsToken: join(at, 'gitops-token'),
    signingKey: join(at, 'signing-key'),
    sources: join(at, 'sources'),
  };
  await mkdir(join(files.sources, host), { recursive: true });
  const write = (path: string, text: string) => writeFile(path, `${text}\n`, { mode: 0o600 });
  await write(files.serviceToken, newSecret());
  await write(files.webhookSecret, newSecret());
  await write(files.gitOpsToken, git.password);
  await write(join(files.sources, host, 'username'), git.username);
  await write(join(files.sources, host, 'password'), git.password);
  await newSigningKey(files.signingKey, dir);
  return files;
}

export function newSecret(): string {
  return randomBytes(32).toString('hex');
}

/** An ed25519 key as docs/operate.md makes one; gives the public half. */
export async function newSigningKey(path: string, cwd: string): Promise<void> {
  await rm(path, { force: true });
  const { exitCode, stderr } = await runProcess({
    command: 'ssh-keygen',
    args: ['-q', '-t', 'ed25519', '-N', '', '-C', 'towline', '-f', path],
    ...{ cwd, env: { PATH: process.env['PATH'] ?? '' }, timeoutMs: 20_000 },
  });
  if (exitCode !== 0) throw new Error(stderr);
}

async function environments(
  { dir, ports, edge, gitOpsUrl, git, registry, ciRegistry, buildkitd, baseImage }: Outside,
  cluster: MissionCluster,
  services: FunctionServices,
  secrets: SecretFiles & { routerServer: string },
) {
  const internal = (port: number) => `http://127.0.0.1:${port}`;
  const shared = {
    TOWLINE_SERVICE_TOKEN_FILE: secrets.serviceToken,
    TOWLINE_PUBLIC_ORIGIN: edge.origin,
    TOWLINE_ROOT_DOMAIN: edge.domain,
  };
  const addresses = {
    TOWLINE_MANIFEST_WRITER_URL: internal(ports['manifest-writer'].internalPort),
    TOWLINE_BUILDER_URL: internal(ports.builder.internalPort),
    TOWLINE_AUTH_URL: internal(ports.auth.internalPort),
  };
  // The dashboard itself has tests of its own.
  const webDir = join(dir, 'web');
  await mkdir(webDir, { recursive: true });
  await writeFile(join(webDir, 'index.html'), '<!doctype html>');
  const follows = async (account: string, server?: string) => ({
    TOWLINE_KUBECONFIG: await cluster.kubeconfigOf(account, server),
    TOWLINE_FUNCTION_ADDRESS: services.address,
  });
  return {
    'manifest-writer': {
      ...shared,
      TOWLINE_KUBECONFIG: await cluster.kubeconfigOf('manifest-writer'),
      TOWLINE_GITOPS_URL: gitOpsUrl,
      TOWLINE_GITOPS_USERNAME: git.username,
      TOWLINE_GITOPS_TOKEN_FILE: secrets.gitOpsToken,
      TOWLINE_SIGNING_KEY_FILE: secrets.signingKey,
      TOWLINE_PUBLISH_PORT: String(ports.publish),
      TOWLINE_PUBLISH_ORIGIN: internal(ports.publish),
      // For pushes that no hook tells of.
      TOWLINE_GITOPS_LOOK_MS: '3000',
    },
    builder: {
      ...shared,
      ...addresses,
      ...(await follows('builder')),
      TOWLINE_ROUTERS: internal(ports.router.internalPort),
      TOWLINE_ROUTERS_TOKEN_FILE: secrets.serviceToken,
      TOWLINE_WEBHOOK_SECRET_FILE: secrets.webhookSecret,
      TOWLINE_GITOPS_URL: gitOpsUrl,
      TOWLINE_SOURCE_HOSTS: git.origin,
      TOWLINE_SOURCE_CREDENTIALS: secrets.sources,
      TOWLINE_BUILDKIT_ADDRESS: buildkitd.address,
      TOWLINE_BUILDCTL: buildkitd.buildctl,
      TOWLINE_REGISTRY: registry.host,
      TOWLINE_SHARED_IMAGES: 'base',
      TOWLINE_BUILD_ARGS: `NODE_IMAGE=${baseImage}`,
      TOWLINE_REGISTRIES: `http://${ciRegistry.host}/team`,
    },
    router: { ...shared, ...addresses, ...(await follows('router', secrets.routerServer)) },
    auth: { ...shared },
    ui: { ...shared, ...addresses, ...(await follows('ui')), TOWLINE_WEB_DIR: webDir },
  };
}
