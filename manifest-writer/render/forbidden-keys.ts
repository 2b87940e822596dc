/**
 * Prefixes of labels and annotations that command a GitOps engine or kubectl, or that say whose an object is.
 * Engines honour them as labels and as annotations alike (reference/gitops-engines.md §5).
 */
const commandPrefixes = [
  /fluxcd\.io/,
  /argoproj\.io/,
  /config\.kubernetes\.io/,
  /config\.k8s\.io/,
  /kustomize/,
  /^(kubectl|meta|deployment|autoscaling|pod-security)\.kubernetes\.io$/,
  /^(meta\.)?helm\.sh$/,
];

/** Argo CD tracks its own objects by this label. */
const commandKeys: ReadonlySet<string> = new Set([
  'app.kubernetes.io/instance',
  'app.kubernetes.io/managed-by',
]);

/** Keys that only the platform writes. */
const platformKeys = [
  /^com\.openfaas\.(cloud\.)?git-/,
  /^([^/]*\.)?towline\.dev\//,
  /^([^/]*\.)?knative\.dev\//,
  /^faas_function$/,
];
const allowedPlatformKeys: ReadonlySet<string> = new Set(['towline.dev/access']);

const prefixPart = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const namePart = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;

/** Why a user may not set this label or annotation; `undefined` if they may. */
export function whyNotKey(key: string): string | undefined {
  const wanted = key.toLowerCase();
  if (isCommand(wanted)) return 'it is an instruction to the GitOps engine';
  if (platformKeys.some((pattern) => pattern.test(wanted)) && !allowedPlatformKeys.has(key)) {
    return 'only the platform sets it';
  }
  return whyNotGrammar(key);
}

/** Why a node cannot be chosen by this label. */
export function whyNotConstraintKey(key: string): string | undefined {
  return isCommand(key.toLowerCase()) ? 'it is an instruction to the GitOps engine' : whyNotGrammar(key);
}

function isCommand(key: string): boolean {
  const prefix = key.slice(0, Math.max(0, key.indexOf('/')));
  return commandKeys.has(key) || commandPrefixes.some((pattern) => pattern.test(prefix));
}

function whyNotGrammar(key: string): string | undefined {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  if (!namePart.test(name) || (slash >= 0 && !prefixPart.test(key.slice(0, slash)))) {
    return 'it is not a valid Kubernetes key';
  }
  return undefined;
}

/** Why this cannot be a label's value. */
export function whyNotLabelValue(value: string): string | undefined {
  if (value === '' || namePart.test(value)) return undefined;
  return 'a label value is at most 63 letters, digits, dots, hyphens and underscores';
}
