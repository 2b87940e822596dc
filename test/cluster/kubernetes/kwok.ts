import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { createClusterApi } from '../../../runtime/kubernetes/cluster-api.ts';
import { freePort, startProgram } from '../../containers/program.ts';
import { kwokStages, tool } from '../tools.ts';
import { clientOf } from './apply.ts';
import { type ControlPlane, cannotKill } from './control-plane.ts';
import { serverSideApply } from './server-side-apply.ts';

/** Why a test that needs pods does not run, if it does not: their programs take minutes to build. */
export const noPods: string | false =
  process.env['TOWLINE_TEST_KWOK'] === '1' ? false : 'TOWLINE_TEST_KWOK=1 gives it pods';

/** What a cluster's own controllers are needed for here. */
const controllers = [
  ...[
    'deployment-controller',
    'replicaset-controller',
    'node-lifecycle-controller',
    'namespace-controller',
    'serviceaccount-controller',
  ],
  ...['garbage-collector-controller', 'resourcequota-controller', 'endpointslice-controller'],
];

/**
 * Kubernetes' controllers and scheduler, and kwok in place of kubelets: pods are bound to `nodes` made-up nodes and get
 * ready, without a container anywhere.
 */
export async function startKwok(plane: ControlPlane, nodes = 2): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const kubeconfig = await plane.kubeconfig();
  const api = createClusterApi(clientOf(kubeconfig));
  await serverSideApply(api).apply(Array.from({ length: nodes }, (_, index) => node(`kwok-${index}`)));
  const given = [`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--bind-address=127.0.0.1'];
  const stages = join(plane.dir, 'stages.yaml');
  await writeFile(stages, await kwokStages());
  const ours = [
    `--config=${stages}`,
    '--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake',
    '--node-lease-duration-seconds=40',
  ];
  const programs: [name: string, args: string[], portFlag: string][] = [
    ['kube-controller-manager', [...given, `--controllers=${controllers.join(',')}`], '--secure-port='],
    ['kube-scheduler', given, '--secure-port='],
    ['kwok', [`--kubeconfig=${kubeconfig}`, ...ours], '--server-address=127.0.0.1:'],
  ];
  // A given cluster has controllers of its own.
  for (const [name, args, portFlag] of programs.slice(cannotKill === false ? 0 : -1)) {
    const port = await freePort();
    const program = await startProgram({
      command: await tool(name),
      args: [...args, `${portFlag}${port}`],
      cwd: plane.dir,
      env: { HOME: plane.dir, PATH: process.env['PATH'] ?? '', KUBECONFIG: kubeconfig },
      isReady: () => isListening(port),
    });
    stack.use(program);
  }
  const resources = stack.move();
  return { [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

function node(name: string): KubernetesObject {
  const allocatable = { cpu: '64', memory: '256Gi', pods: '1000' };
  return {
    ...{ apiVersion: 'v1', kind: 'Node' },
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, type: 'kwok' },
      annotations: { 'kwok.x-k8s.io/node': 'fake' },
    },
    status: { allocatable, capacity: allocatable },
  } as KubernetesObject;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
