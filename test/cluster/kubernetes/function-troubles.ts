/** What can be wrong with a version, by how its image's tag begins; each status is as the cluster writes it. */
export interface FunctionTrouble {
  /** Of the Deployment. */
  conditions?: object[];
  /** Of the pod that does not run; none if no pod could be made. */
  pod?: { conditions?: object[]; container?: object } | undefined;
}

const waiting = (reason: string, message: string) => ({ state: { waiting: { reason, message } } });

const troubles: Record<string, (name: string) => FunctionTrouble> = {
  broken: () => ({ pod: { container: waiting('ImagePullBackOff', 'manifest unknown: broken') } }),
  nosecret: (name) => ({
    pod: { container: waiting('CreateContainerConfigError', `secret "${name}-key" not found`) },
  }),
  crashing: () => ({
    pod: {
      container: {
        ...waiting('CrashLoopBackOff', 'back-off 10s restarting failed container=function'),
        lastState: { terminated: { exitCode: 3, reason: 'Error' } },
        restartCount: 4,
      },
    },
  }),
  // Between two ends: it runs, and takes no requests.
  ending: () => ({
    pod: {
      container: {
        state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
        lastState: { terminated: { exitCode: 137, reason: 'OOMKilled' } },
        restartCount: 2,
      },
    },
  }),
  nonode: () => ({
    pod: {
      conditions: [
        {
          ...{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' },
          message: '0/3 nodes are available: 3 Insufficient memory.',
        },
      ],
    },
  }),
  quota: (name) => ({
    conditions: [
      {
        ...{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate' },
        message: `pods "${name}-x" is forbidden: exceeded quota: tenant, requested: pods=1, used: pods=5, limited: pods=5`,
      },
    ],
  }),
  // Nothing is wrong; it only takes its time.
  slow: () => ({ pod: { container: waiting('ContainerCreating', '') } }),
};

export function troubleOf(name: string, image: string): FunctionTrouble | undefined {
  const tag = /:([^@/]*)(?:@|$)/.exec(image)?.[1] ?? '';
  const word = Object.keys(troubles).find((one) => tag.startsWith(one));
  return word === undefined ? undefined : troubles[word]?.(name);
}
