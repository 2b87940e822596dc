import type { FunctionSpec } from '../../core/function-spec.ts';
import { type FunctionMetadata, sorted, unlessEmpty } from './metadata.ts';
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
import { durationSeconds, fewestReplicas, readScaling, type Scaling } from './scaling.ts';

const defaultCpuPercent = 70;
const shortestGraceSeconds = 30;
const longestGraceSeconds = 3600;
/** After the watchdog's own limit, so that it answers the last requests itself. */
const extraGraceSeconds = 5;

/**
 * One document: a List, which kubectl, Flux and Argo CD all take for its items. Pods carry `faas_function` and
 * `towline.dev/tenant`, so that network policies can name a function and a tenant.
 */
export function kubernetesList(spec: FunctionSpec, metadata: FunctionMetadata): object {
  const { scaling } = readScaling(spec.labels);
  const autoscaler = hasAutoscaler(scaling) ? [horizontalPodAutoscaler(scaling, metadata)] : [];
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [deployment(spec, metadata, scaling), service(metadata), ...autoscaler],
  };
}

function deployment(spec: FunctionSpec, metadata: FunctionMetadata, scaling: Scaling): object {
  const { name, namespace, identifying, workload } = metadata;
  const { mounts, volumes } = volumesOf(spec);
  const podLabels = { ...workload.labels, faas_function: name, 'towline.dev/tenant': spec.owner };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name,
      namespace,
      labels: sorted({ ...identifying.labels, faas_function: name, 'towline.dev/tenant': spec.owner }),
      annotations: sorted({ ...identifying.annotations, ...eventAnnotations(spec) }),
    },
    spec: {
      // The autoscaler owns the number if there is one.
      ...(hasAutoscaler(scaling) ? {} : { replicas: Math.max(1, fewestReplicas(scaling)) }),
      revisionHistoryLimit: 2,
      selector: { matchLabels: { faas_function: name } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: { labels: sorted(podLabels), ...unlessEmpty('annotations', workload.annotations) },
        spec: {
          automountServiceAccountToken: false,
          containers: [
            {
              name: 'function',
              image: spec.image,
              imagePullPolicy: 'IfNotPresent',
              ports: [{ name: 'http', containerPort: functionPort, protocol: 'TCP' }],
              ...environmentOf(spec),
              ...resourcesOf(spec),
              startupProbe: { ...probe, failureThreshold: 60, periodSeconds: 1 },
              livenessProbe: { ...probe, failureThreshold: 3, periodSeconds: 10, timeoutSeconds: 5 },
              readinessProbe: { ...probe, failureThreshold: 3, periodSeconds: 2, timeoutSeconds: 5 },
              securityContext: securityContextOf(spec),
              ...mounts,
            },
          ],
          enableServiceLinks: false,
          ...nodeSelectorOf(spec),
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
          terminationGracePeriodSeconds: graceSeconds(spec),
          ...volumes,
        },
      },
    },
  };
}

const probe = { httpGet: { path: healthPath, port: 'http' } };

function graceSeconds(spec: FunctionSpec): number {
  const longest = durationSeconds(spec.environment['write_timeout'] ?? '') ?? 0;
  const wanted = Math.ceil(longest) + extraGraceSeconds;
  return Math.min(longestGraceSeconds, Math.max(shortestGraceSeconds, wanted));
}

function service({ name, namespace, identifying }: FunctionMetadata): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels: sorted({ ...identifying.labels, faas_function: name }) },
    spec: {
      type: 'ClusterIP',
      selector: { faas_function: name },
      ports: [{ name: 'http', port: functionPort, targetPort: 'http', protocol: 'TCP' }],
    },
  };
}

function hasAutoscaler({ max, min }: Scaling): boolean {
  return max !== undefined && max > Math.max(1, min ?? 1);
}

function horizontalPodAutoscaler(scaling: Scaling, metadata: FunctionMetadata): object {
  const { name, namespace, identifying } = metadata;
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name, namespace, labels: sorted({ ...identifying.labels, faas_function: name }) },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      minReplicas: Math.max(1, fewestReplicas(scaling)),
      maxReplicas: scaling.max,
      metrics: [{ type: 'Resource', resource: metric(scaling) }],
    },
  };
}

function metric({ type, target }: Scaling): object {
  if (target !== undefined && type === 'cpu') {
    return { name: 'cpu', target: { type: 'AverageValue', averageValue: `${Math.ceil(target)}m` } };
  }
  if (target !== undefined && type === 'memory') {
    return { name: 'memory', target: { type: 'AverageValue', averageValue: `${Math.ceil(target)}Mi` } };
  }
  return { name: 'cpu', target: { type: 'Utilization', averageUtilization: defaultCpuPercent } };
}

/** What a valid spec may say and plain Kubernetes cannot do at all. */
export function* whyNotKubernetes(spec: FunctionSpec): Generator<string> {
  const { scaling } = readScaling(spec.labels);
  const ownTarget = scaling.target !== undefined && (scaling.type === 'cpu' || scaling.type === 'memory');
  if (hasAutoscaler(scaling) && !ownTarget && spec.requests.cpu === undefined) {
    yield 'scaling between two numbers of replicas needs a cpu request';
  }
  if (scaling.type === 'memory' && scaling.target === undefined && hasAutoscaler(scaling)) {
    yield 'scaling by memory needs a target, in MiB';
  }
}

/** What it does another way than the author asked. */
export function* kubernetesWarnings(spec: FunctionSpec): Generator<string> {
  const { scaling } = readScaling(spec.labels);
  if (fewestReplicas(scaling) === 0) yield 'plain Kubernetes cannot scale to zero: one replica stays';
  const byRequests = scaling.type !== 'cpu' && scaling.type !== 'memory';
  if (hasAutoscaler(scaling) && (scaling.type !== undefined || scaling.target !== undefined) && byRequests) {
    const by = scaling.type ?? 'capacity';
    yield `plain Kubernetes cannot scale by ${by}: it scales at ${defaultCpuPercent} % of the cpu request`;
  }
}
