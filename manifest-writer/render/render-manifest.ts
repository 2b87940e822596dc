import { isDeepStrictEqual } from 'node:util';
import type { FunctionSpec, Provenance } from '../../core/function-spec.ts';
import { functionMetadata, type RenderOptions } from './metadata.ts';
import { knativeService } from './render-knative.ts';
import { kubernetesList } from './render-kubernetes.ts';
import { openFaasFunction } from './render-openfaas.ts';
import { fromYaml, toYaml } from './yaml-text.ts';

const renderers = { openfaas: openFaasFunction, knative: knativeService, kubernetes: kubernetesList };

/** The one manifest of a function: a checked spec (`whyNotSpec`) in, its data and the file's text out. */
export function renderManifest(
  spec: FunctionSpec,
  provenance: Provenance,
  options: RenderOptions,
): { data: object; text: string } {
  const data = renderers[options.target](spec, functionMetadata(spec, provenance, options));
  const text = toYaml(data);
  if (!isDeepStrictEqual(fromYaml(text), data)) throw new Error('the rendered manifest does not read back');
  return { data, text };
}
