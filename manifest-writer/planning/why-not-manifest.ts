import { readFunction } from '../render/read-function.ts';
import { fromYaml } from '../render/yaml-text.ts';
import { whyNotSchema } from '../schemas/validate-manifest.ts';

/** Why a manifest of the past must not become current again: it is not one that the cluster would take today. */
export function whyNotManifest(text: string, name: string): string | undefined {
  const manifest = readFunction(text);
  if (!manifest) return 'it is not exactly one manifest of a known kind';
  if (manifest.metadata.name !== name) return `its object is not called "${name}"`;
  return whyNotSchema(manifest.target, fromYaml(text));
}
