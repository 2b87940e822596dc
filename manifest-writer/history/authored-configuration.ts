import { type FunctionConfiguration, towlineAnnotations } from '../../core/function-spec.ts';
import type { FunctionManifest } from '../render/read-function.ts';

/** Keys that Towline writes by itself, in both spellings. */
const ownKeys = /^(?:com\.openfaas\.(?:cloud\.)?git-|towline\.dev\/)/;

function authored(map: Record<string, string>): Record<string, string> {
  const kept = Object.entries(map).filter(([key]) => key === towlineAnnotations.access || !ownKeys.test(key));
  return Object.fromEntries(kept);
}

/** A manifest without what the platform added: what the next deploy of another image keeps. */
export function authoredConfiguration({ spec }: FunctionManifest): FunctionConfiguration {
  return {
    environment: spec.environment,
    // As the manifest has them: an owner's own prefix is not put in front twice.
    secrets: spec.secrets,
    labels: authored(spec.labels),
    annotations: authored(spec.annotations),
    limits: spec.limits ?? {},
    requests: spec.requests ?? {},
    constraints: spec.constraints,
    readOnlyRootFilesystem: spec.readOnlyRootFilesystem,
  };
}
