import type { ErrorCode } from '../../core/errors.ts';
import type { FunctionSpec, Provenance } from '../../core/function-spec.ts';
import type { Policy } from '../policy/policy.ts';
import { whyNotSchema } from '../schemas/validate-manifest.ts';
import { whyNotSpec } from './check-spec.ts';
import type { RenderOptions } from './metadata.ts';
import { kubernetesWarnings } from './render-kubernetes.ts';
import { renderManifest } from './render-manifest.ts';

export type PreparedManifest =
  | { type: 'manifest'; text: string; spec: FunctionSpec; warnings: string[] }
  | { type: 'refused'; code: ErrorCode; message: string };

const maxManifestBytes = 256 * 1024;

/** Everything that can be said about a deploy without looking at the branch: its manifest's text, or why there is none. */
export function prepareManifest(
  asked: { spec: FunctionSpec; provenance: Provenance },
  policy: Policy,
  options: RenderOptions,
): PreparedManifest {
  const { provenance } = asked;
  const problem = whyNotSpec(asked.spec, provenance, options.target);
  if (problem) return { type: 'refused', ...problem };
  const allowed = policy.apply(asked.spec, provenance);
  if (allowed.type === 'refused') return refusedManifest(allowed.violations.join('; '));
  const { spec, warnings } = allowed;
  // What the policy filled in has to fit the author's own words and the target as well.
  const conflict = whyNotSpec(spec, provenance, options.target);
  if (conflict) return { type: 'refused', ...conflict };
  const { data, text } = renderManifest(spec, provenance, options);
  const bytes = Buffer.byteLength(text);
  if (bytes > maxManifestBytes)
    return refusedManifest(`the manifest is larger than ${maxManifestBytes} bytes`);
  const invalid = whyNotSchema(options.target, data);
  if (invalid !== undefined) return refusedManifest(`the cluster would not take the manifest: ${invalid}`);
  const ways = options.target === 'kubernetes' ? kubernetesWarnings(spec) : [];
  return { type: 'manifest', text, spec, warnings: [...warnings, ...ways] };
}

/** For what the rules say no to. */
export function refusedManifest(message: string): PreparedManifest {
  return { type: 'refused', code: 'manifest_refused', message };
}
