import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, goEnvironment, type RunningProgram, startProgram } from '../../containers/program.ts';
import { tool, toolCrds } from '../tools.ts';
import { apply, applyDefinitions, clientOf } from './apply.ts';
import type { ControlPlane } from './control-plane.ts';

export interface Flux extends AsyncDisposable {
  namespace: string;
  controllers: Map<string, RunningProgram>;
}

export interface FluxOptions {
  /** Starts source-watcher too, which makes an ExternalArtifact of each folder. */
  watcher?: boolean | undefined;
}

const namespace = 'flux-system';

/** Flux's own controllers, out of cluster, with the lock-down flags that the GitOps repository asks for. */
export async function startFlux(plane: ControlPlane, options: FluxOptions = {}): Promise<Flux> {
  await using stack = new AsyncDisposableStack();
  const kubeconfig = await plane.kubeconfig();
  const config = clientOf(kubeconfig);
  const names = ['source-controller', 'kustomize-controller', ...(options.watcher ? ['source-watcher'] : [])];
  await applyDefinitions(config, await toolCrds(...names));
  await apply(config, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }]);
  const controllers = new Map<string, RunningProgram>();
  for (const name of names) {
    const controller = stack.use(await startController(plane, kubeconfig, name));
    controllers.set(name, controller);
  }
  const resources = stack.move();
  return { namespace, controllers, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

async function startController(
  plane: ControlPlane,
  kubeconfig: string,
  name: string,
): Promise<RunningProgram> {
  const health = `127.0.0.1:${await freePort()}`;
  const storage = join(plane.dir, name);
  await mkdir(storage, { recursive: true });
  return startProgram({
    command: await tool(name),
    args: [
      `--health-addr=${health}`,
      '--metrics-addr=0',
      '--log-level=info',
      ...(await flagsOf(name, storage)),
    ],
    // The controllers have no flag for it.
    env: { ...goEnvironment, KUBECONFIG: kubeconfig, RUNTIME_NAMESPACE: namespace, HOME: storage },
    isReady: async () => (await fetch(`http://${health}/readyz`)).ok,
  });
}

async function flagsOf(name: string, storage: string): Promise<string[]> {
  if (name === 'kustomize-controller') {
    return [
      ...['--concurrent=20', '--concurrent-ssa=20', '--requeue-dependency=2s'],
      ...['--no-remote-bases', '--no-cross-namespace-refs'],
      '--default-service-account=none',
      '--feature-gates=ExternalArtifact=true,CancelHealthCheckOnNewRevision=true,DirectSourceFetch=true',
    ];
  }
  const address = `127.0.0.1:${await freePort()}`;
  return [
    `--storage-path=${storage}`,
    `--storage-addr=${address}`,
    `--storage-adv-addr=${address}`,
    '--concurrent=10',
  ];
}
