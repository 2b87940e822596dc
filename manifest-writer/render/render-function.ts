import type { FunctionSpec, Provenance } from '../../core/function-spec.ts';
import { renderManifest } from './render-manifest.ts';

export { asksForTheSame, readFunction } from './read-function.ts';

/** The text of a checked function's manifest for OpenFaaS. */
export function renderFunction(
  spec: FunctionSpec,
  provenance: Provenance,
  options: { namespace: string; deployedAt: number },
): string {
  return renderManifest(spec, provenance, { target: 'openfaas', ...options }).text;
}
