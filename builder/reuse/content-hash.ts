import { createHash } from 'node:crypto';
import type { Template } from '../templates/template.ts';

/** Everything that decides what a build makes. Two builds with the same answers make the same function. */
export interface BuildInputs {
  /** Of the assembled context, the template's files in it. */
  contextDigest: string;
  /** With the function's own process. */
  template: Template | null;
  /** With what the build options stand for. */
  buildArgs: Record<string, string>;
  /** Names by id. */
  buildSecrets: Record<string, string>;
  platforms: readonly string[];
  /** Without its tag: another registry, owner or repository needs an image of its own. */
  imageName: string;
  engine: string;
}

/** A change of what goes into the hash must change this too. */
const version = 1;

/** With its keys in one order, at any depth, so that the same content has the same text. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, canonical(each)]);
}

/**
 * The hash by which an unchanged function is known: `sha256:<64 hex>`. Of build secrets only the names count: a value
 * may be read again and again without ever being written down, and a changed one alone makes no other image. Labels
 * (commit, time) don't count either: they say which build made the image.
 */
export function contentHash({ template, ...inputs }: BuildInputs): string {
  // Where a template lies differs from machine to machine; what is in it is part of the context.
  const { dir: _, ...facts } = template ?? { dir: '' };
  const text = JSON.stringify(canonical({ version, ...inputs, template: template === null ? null : facts }));
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
