import type { FunctionSpec } from '../../core/function-spec.ts';
import { type FunctionMetadata, secretNames, sorted, unlessEmpty } from './metadata.ts';
import { amounts } from './pod.ts';

/** Scaling stays in labels, and constraints in words: OpenFaaS reads both itself. */
export function openFaasFunction(spec: FunctionSpec, metadata: FunctionMetadata): object {
  const { name, namespace, identifying, workload } = metadata;
  return {
    apiVersion: 'openfaas.com/v1',
    kind: 'Function',
    metadata: { name, namespace, ...identifying },
    spec: {
      name,
      image: spec.image,
      ...workload,
      ...unlessEmpty('environment', sorted(spec.environment)),
      ...unlessEmpty('secrets', secretNames(spec)),
      ...unlessEmpty('constraints', [...spec.constraints]),
      ...unlessEmpty('limits', amounts(spec.limits)),
      ...unlessEmpty('requests', amounts(spec.requests)),
      ...(spec.readOnlyRootFilesystem ? { readOnlyRootFilesystem: true } : {}),
    },
  };
}
