import type { FunctionSpec, Resources } from '../../core/function-spec.ts';
import { secretNames, sorted, unlessEmpty } from './metadata.ts';

/** Where the watchdog of an OpenFaaS function listens, answers probes and looks for secrets. */
export const functionPort = 8080;
export const healthPath = '/_/health';
const secretsPath = '/var/openfaas/secrets';
const secretFileMode = 0o444;

/** OpenFaaS's own number for functions: its images name their user in words, which Kubernetes cannot tell from root. */
const functionUser = 12_000;

/** The author's text as it is: the kubelet replaces `$(NAME)` in values and takes `$$` for one `$`. */
export function kubeletLiteral(value: string): string {
  return value.replace(/\$(?=[$(])/g, '$$$$');
}

/** The text that the kubelet makes of a value without references. */
export function fromKubeletLiteral(value: string): string {
  return value.replaceAll('$$', '$');
}

export function environmentOf(spec: FunctionSpec): object {
  const variables = Object.entries(sorted(spec.environment));
  return unlessEmpty(
    'env',
    variables.map(([name, value]) => ({ name, value: kubeletLiteral(value) })),
  );
}

export function resourcesOf(spec: FunctionSpec): object {
  return unlessEmpty('resources', {
    ...unlessEmpty('limits', amounts(spec.limits)),
    ...unlessEmpty('requests', amounts(spec.requests)),
  });
}

export function amounts(given: Resources): Record<string, string> {
  const entries = Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return sorted(Object.fromEntries(entries));
}

/** The restricted profile of the Pod Security Standards. */
export function securityContextOf(spec: FunctionSpec): object {
  return {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    readOnlyRootFilesystem: spec.readOnlyRootFilesystem,
    runAsNonRoot: true,
    runAsUser: functionUser,
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

/** Secrets where OpenFaaS functions read them; a place to write for those that may not write elsewhere. */
export function volumesOf(spec: FunctionSpec): { mounts: object; volumes: object } {
  const names = secretNames(spec);
  const secrets = {
    name: 'secrets',
    projected: { defaultMode: secretFileMode, sources: names.map((name) => ({ secret: { name } })) },
  };
  const hasSecrets = names.length > 0;
  const hasTmp = spec.readOnlyRootFilesystem;
  return {
    mounts: unlessEmpty('volumeMounts', [
      ...(hasSecrets ? [{ name: 'secrets', mountPath: secretsPath, readOnly: true }] : []),
      ...(hasTmp ? [{ name: 'tmp', mountPath: '/tmp' }] : []),
    ]),
    volumes: unlessEmpty('volumes', [
      ...(hasSecrets ? [secrets] : []),
      ...(hasTmp ? [{ name: 'tmp', emptyDir: {} }] : []),
    ]),
  };
}

/** `key=value` or `key==value`, as in OpenFaaS; `undefined` for anything else. */
export function constraintParts(constraint: string): [key: string, value: string] | undefined {
  const [, key, value] = /^\s*([^=\s]{1,317})\s*==?\s*([^=\s]{0,63})\s*$/.exec(constraint) ?? [];
  return key === undefined || value === undefined ? undefined : [key, value];
}

export function nodeSelectorOf(spec: FunctionSpec): object {
  const parts = spec.constraints.map(constraintParts).filter((one) => one !== undefined);
  return unlessEmpty('nodeSelector', sorted(Object.fromEntries(parts)));
}

/** Annotations by which event connectors and schedulers find a function; they look at the outer object. */
export function eventAnnotations(spec: FunctionSpec): Record<string, string> {
  const entries = Object.entries(spec.annotations).filter(([key]) => key === 'topic' || key === 'schedule');
  return Object.fromEntries(entries);
}
