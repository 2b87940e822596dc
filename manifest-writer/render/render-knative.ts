import type { FunctionSpec } from '../../core/function-spec.ts';
import { parseQuantity } from '../policy/quantity.ts';
import { type FunctionMetadata, sorted } from './metadata.ts';
import {
  environmentOf,
  eventAnnotations,
  functionPort,
  healthPath,
  nodeSelectorOf,
  resourcesOf,
  securityContextOf,
  volumesOf,
} from './pod.ts';
import { fewestReplicas, readScaling, type Scaling } from './scaling.ts';

const autoscaling = 'autoscaling.knative.dev';
/** How long Knative keeps an idle function at most before it scales it to zero. */
const maxRetentionSeconds = 3600;
/** Knative sets these itself and refuses a service that does. */
const ownVariables = ['PORT', 'K_SERVICE', 'K_CONFIGURATION', 'K_REVISION'];
/** Of the watchdog: how many requests one replica works on at once. */
const concurrencyVariable = 'max_inflight';
const maxConcurrency = 1000;

/** Reached through Towline's router alone, so the service has no address of its own outside of the cluster. */
export function knativeService(spec: FunctionSpec, metadata: FunctionMetadata): object {
  const { name, namespace, identifying, workload } = metadata;
  const { mounts, volumes } = volumesOf(spec);
  const { scaling } = readScaling(spec.labels);
  const concurrency = Number(spec.environment[concurrencyVariable] ?? 0);
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: {
      name,
      namespace,
      labels: sorted({ ...identifying.labels, 'networking.knative.dev/visibility': 'cluster-local' }),
      annotations: sorted({ ...identifying.annotations, ...eventAnnotations(spec) }),
    },
    spec: {
      template: {
        metadata: {
          labels: sorted({ ...workload.labels, faas_function: name }),
          annotations: sorted({ ...workload.annotations, ...scaleAnnotations(scaling, spec) }),
        },
        spec: {
          automountServiceAccountToken: false,
          ...(concurrency > 0 ? { containerConcurrency: concurrency } : {}),
          containers: [
            {
              name: 'function',
              image: spec.image,
              ports: [{ name: 'http1', containerPort: functionPort }],
              ...environmentOf(spec),
              ...resourcesOf(spec),
              livenessProbe: { httpGet: { path: healthPath, port: functionPort } },
              readinessProbe: { httpGet: { path: healthPath, port: functionPort } },
              securityContext: securityContextOf(spec),
              ...mounts,
            },
          ],
          enableServiceLinks: false,
          ...nodeSelectorOf(spec),
          ...volumes,
        },
      },
    },
  };
}

function scaleAnnotations(scaling: Scaling, spec: FunctionSpec): Record<string, string> {
  const { max, type, zeroAfterSeconds } = scaling;
  const target = targetOf(scaling, spec);
  const annotations: Record<string, string | undefined> = {
    class: usesHpa(type) ? `hpa.${autoscaling}` : undefined,
    'min-scale': String(fewestReplicas(scaling)),
    'max-scale': max?.toString(),
    metric: type === 'capacity' ? 'concurrency' : type,
    target: target?.toString(),
    'scale-to-zero-pod-retention-period':
      zeroAfterSeconds === undefined ? undefined : `${Math.ceil(zeroAfterSeconds)}s`,
  };
  const given = Object.entries(annotations).filter((entry): entry is [string, string] => !!entry[1]);
  return Object.fromEntries(given.map(([key, value]) => [`${autoscaling}/${key}`, value]));
}

const usesHpa = (type: string | undefined) => type === 'cpu' || type === 'memory';

/** Knative wants CPU in percent of the request; OpenFaaS says milli-CPU. */
function targetOf({ target, type }: Scaling, spec: FunctionSpec): number | undefined {
  if (target === undefined || type !== 'cpu') return target;
  const request = parseQuantity(spec.requests.cpu ?? '');
  if (request === undefined || request <= 0n) return undefined;
  return Math.max(1, Math.round((target * 1e6 * 100) / Number(request)));
}

const types: readonly (string | undefined)[] = ['rps', 'capacity', 'cpu', 'memory', undefined];

/** What a valid spec may say and Knative cannot do. */
export function* whyNotKnative(spec: FunctionSpec): Generator<string> {
  const { scaling } = readScaling(spec.labels);
  for (const name of ownVariables) {
    if (Object.hasOwn(spec.environment, name)) yield `environment variable "${name}" belongs to Knative`;
  }
  const concurrency = spec.environment[concurrencyVariable];
  if (
    concurrency !== undefined &&
    !(/^\d{1,4}$/.test(concurrency) && Number(concurrency) <= maxConcurrency)
  ) {
    yield `environment variable "${concurrencyVariable}" is a number from 0 to ${maxConcurrency}`;
  }
  if (!types.includes(scaling.type))
    yield `scaling by "${scaling.type}" is not one of rps, capacity, cpu and memory`;
  if (usesHpa(scaling.type) && fewestReplicas(scaling) === 0) {
    yield `a function that scales by ${scaling.type} cannot scale to zero`;
  }
  if (scaling.type === 'cpu' && scaling.target !== undefined && spec.requests.cpu === undefined) {
    yield 'scaling by cpu needs a cpu request';
  }
  if ((scaling.zeroAfterSeconds ?? 0) > maxRetentionSeconds) {
    yield 'a function can be idle for one hour at most before it is scaled to zero';
  }
}
