import { randomBytes } from 'node:crypto';
import { chmod, copyFile, mkdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { createClusterApi } from '../../../runtime/kubernetes/cluster-api.ts';
import { freePort, type RunningProgram, startProgram } from '../../containers/program.ts';
import { argoFiles, tool } from '../tools.ts';
import { clientOf, objectsOf } from './apply.ts';
import type { ControlPlane } from './control-plane.ts';
import { serverSideApply } from './server-side-apply.ts';

export interface Argo extends AsyncDisposable {
  namespace: string;
  /** By the name of its service account. */
  controllers: Map<string, RunningProgram>;
}

const namespace = 'argocd';
/** What runs here and not in the cluster, and what it would be reached by. */
const workloads = new Set(['Deployment', 'StatefulSet', 'Service', 'NetworkPolicy']);
const clusterKinds = new Set(['CustomResourceDefinition', 'ClusterRole', 'ClusterRoleBinding']);

/**
 * Argo CD's own controllers, out of cluster, each with the rights that Argo CD's own manifests give its service account.
 * Its server and its command line are left out.
 */
export async function startArgo(plane: ControlPlane): Promise<Argo> {
  await using stack = new AsyncDisposableStack();
  await applyManifests(plane);
  const dir = join(plane.dir, 'argo');
  await mkdir(dir, { recursive: true });
  const redis = `127.0.0.1:${await startRedis(stack, dir)}`;
  const repoServer = `127.0.0.1:${await freePort()}`;
  const controllers = new Map<string, RunningProgram>();
  const start = async (name: string, health: string, args: string[]) => {
    const controller = await startController(plane, dir, { name, health, args });
    controllers.set(name, stack.use(controller));
  };
  const metrics = await freePort();
  await start('argocd-repo-server', `127.0.0.1:${metrics}/healthz?full=true`, [
    ...['--address=127.0.0.1', `--port=${repoServer.split(':')[1]}`, '--disable-tls', '--client-ca-path='],
    ...['--metrics-address=127.0.0.1', `--metrics-port=${metrics}`, `--redis=${redis}`],
  ]);
  const ports = { application: await freePort(), sets: await freePort(), webhook: await freePort() };
  await Promise.all([
    start('argocd-application-controller', `127.0.0.1:${ports.application}/healthz`, [
      ...[`--namespace=${namespace}`, `--metrics-port=${ports.application}`, `--redis=${redis}`],
      ...[`--repo-server=${repoServer}`, '--repo-server-plaintext'],
    ]),
    start('argocd-applicationset-controller', `127.0.0.1:${ports.sets}/metrics`, [
      ...[`--namespace=${namespace}`, `--metrics-addr=127.0.0.1:${ports.sets}`, '--probe-addr=0'],
      ...[`--webhook-addr=127.0.0.1:${ports.webhook}`],
      ...[`--argocd-repo-server=${repoServer}`, '--repo-server-plaintext'],
    ]),
  ]);
  const resources = stack.move();
  return { namespace, controllers, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** `kubectl apply -n argocd -f install.yaml`, without what would run pods. */
async function applyManifests(plane: ControlPlane): Promise<void> {
  const server = serverSideApply(createClusterApi(clientOf(await plane.kubeconfig())));
  const { definitions, install } = await argoFiles();
  await server.define([definitions]);
  const objects = objectsOf(await readFile(install, 'utf8'))
    .filter(({ kind = '' }) => !workloads.has(kind) && kind !== 'CustomResourceDefinition')
    .map((object) => (clusterKinds.has(object.kind ?? '') ? object : inNamespace(object)));
  // The key that Argo CD's server makes when it first starts.
  const key = randomBytes(32).toString('base64');
  const metadata = { name: 'argocd-secret', namespace };
  await server.apply([
    ...[{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, ...objects],
    { apiVersion: 'v1', kind: 'Secret', metadata, data: { 'server.secretkey': key } } as KubernetesObject,
  ]);
}

function inNamespace(object: KubernetesObject): KubernetesObject {
  return { ...object, metadata: { ...object.metadata, namespace } };
}

async function startRedis(stack: AsyncDisposableStack, dir: string): Promise<number> {
  const port = await freePort();
  stack.use(
    await startProgram({
      command: 'redis-server',
      args: [
        ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir],
        ...['--save', '', '--appendonly', 'no', '--daemonize', 'no'],
      ],
      isReady: () => canConnect(port),
    }),
  );
  return port;
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (isOpen: boolean) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => done(true)).once('error', () => done(false));
  });
}

async function startController(
  plane: ControlPlane,
  dir: string,
  { name, health, args }: { name: string; health: string; args: string[] },
): Promise<RunningProgram> {
  const home = join(dir, name);
  const argocd = await tool('argocd');
  const folders = ['tls', 'ssh', 'tmp', 'bin'].map((folder) => join(home, folder));
  for (const folder of folders) await mkdir(folder, { recursive: true });
  const verifier = join(home, 'bin/git-verify-wrapper.sh');
  await copyFile((await argoFiles()).verifier, verifier);
  await chmod(verifier, 0o755);
  const programs = [dirname(verifier), dirname(argocd), dirname(await tool('kustomize'))];
  const path = [...programs, process.env['PATH'] ?? ''].join(delimiter);
  return startProgram({
    command: argocd,
    args: [...args, '--logformat=text', '--loglevel=info'],
    env: {
      ...{ ARGOCD_BINARY_NAME: name, KUBECONFIG: await kubeconfigOf(plane, name) },
      // The cluster that Applications name is the one of the kubeconfig.
      ARGOCD_FAKE_IN_CLUSTER: 'true',
      ...{ PATH: path, HOME: home, TMPDIR: join(home, 'tmp') },
      ...{ ARGOCD_TLS_DATA_PATH: join(home, 'tls'), ARGOCD_SSH_DATA_PATH: join(home, 'ssh') },
      ...{ ARGOCD_GPG_ENABLED: 'false', ARGOCD_ASK_PASS_SOCK: join(home, 'ask-pass') },
    },
    isReady: async () => (await fetch(`http://${health}`)).ok,
  });
}

async function kubeconfigOf(plane: ControlPlane, account: string): Promise<string> {
  const api = createClusterApi(clientOf(await plane.kubeconfig()));
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
  const { status } = await api.request<{ status: { token: string } }>(path, { method: 'POST', body });
  return plane.kubeconfig(status.token);
}
