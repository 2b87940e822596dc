import { type Document, isNode, LineCounter, parseAllDocuments } from 'yaml';
import type { ZodError } from 'zod';
import type { DeployCause } from '../../core/deploy.ts';
import { readFunctionAccess } from '../../core/function-access.ts';
import { gitLabels, OpenFaasFunction, towlineAnnotations } from '../../core/function-spec.ts';
import { type Hold, readHold } from '../../core/hold.ts';
import { digestOf, objectName, whyNotFunction, whyNotOwner } from '../../core/names.ts';
import type { DesiredFunction } from '../functions/index.ts';
import { tenantsFolder } from './gitops-repository.ts';

/** The function that a path of the GitOps repository stands for. */
export interface ManifestPath {
  path: string;
  owner: string;
  functionName: string;
}

export type ManifestReading =
  | { type: 'function'; desired: DesiredFunction }
  /** Not for this reconciler. */
  | { type: 'ignored'; reason: string }
  | { type: 'refused'; cause: DeployCause };

/** Larger than any manifest that the writer makes; a file in git may be anything. */
export const maxManifestBytes = 262_144;

const manifestPath = /^([^/]+)\/([^/]+)\.yaml$/;
const maxHold = 400;
const apiGroup = 'openfaas.com/';

/** `folder` is that of the tenants. `undefined` for every other file: a tenant's sentinel, notes, deeper folders, names that no function can have. */
export function manifestPathOf(path: string, folder: string = tenantsFolder): ManifestPath | undefined {
  if (!path.startsWith(`${folder}/`)) return undefined;
  const [, owner, functionName] = manifestPath.exec(path.slice(folder.length + 1)) ?? [];
  if (owner === undefined || functionName === undefined) return undefined;
  if (whyNotOwner(owner) !== undefined || whyNotFunction(owner, functionName) !== undefined) return undefined;
  return { path, owner, functionName };
}

/** What one manifest asks for. The path is the identity; the text has to agree with it. */
export function readManifest(place: ManifestPath, text: string): ManifestReading {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const [document] = documents;
  if (!Array.isArray(documents) || document === undefined) return refused(place, 'the file is empty');
  const error = document.errors[0];
  if (error !== undefined) return refused(place, oneLine(error.message), lines.linePos(error.pos[0]).line);
  if (documents.length > 1) {
    const line = lines.linePos(documents[1]?.range[0] ?? 0).line;
    return refused(place, 'the file has more than one YAML document', line);
  }
  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: 20 });
  } catch (fault) {
    return refused(place, oneLine(fault instanceof Error ? fault.message : 'the aliases cannot be resolved'));
  }
  const other = otherKind(data);
  if (other !== undefined) return { type: 'ignored', reason: other };
  const parsed = OpenFaasFunction.safeParse(data);
  if (!parsed.success) return refusedBySchema(place, parsed.error, document, lines);
  const disagreement = whyNotThisFunction(place, parsed.data);
  if (disagreement !== undefined) {
    return refused(place, disagreement.message, lineOf(document, lines, disagreement.at));
  }
  return { type: 'function', desired: toDesired(place, parsed.data) };
}

/** Objects of other API groups belong to somebody else; a Function with a spelling mistake does not. */
function otherKind(data: unknown): string | undefined {
  if (typeof data !== 'object' || data === null || !('apiVersion' in data)) return undefined;
  const { apiVersion } = data;
  if (typeof apiVersion !== 'string' || apiVersion.startsWith(apiGroup)) return undefined;
  return `its apiVersion is ${oneLine(apiVersion)}`;
}

interface Disagreement {
  message: string;
  at: (string | number)[];
}

function whyNotThisFunction(place: ManifestPath, manifest: OpenFaasFunction): Disagreement | undefined {
  const name = objectName(place.owner, place.functionName);
  const { metadata, spec } = manifest;
  const checks: [ok: boolean, message: string, at: (string | number)[]][] = [
    [metadata.name === name, `metadata.name must be "${name}", as the path says`, ['metadata', 'name']],
    [spec.name === name, `spec.name must be "${name}", as the path says`, ['spec', 'name']],
    [
      digestOf(spec.image) !== undefined,
      'spec.image must end in a digest (@sha256:…), so that git says exactly what runs',
      ['spec', 'image'],
    ],
  ];
  const owner = ['metadata', 'labels', gitLabels.owner];
  checks.push([
    metadata.labels[gitLabels.owner] === place.owner,
    mustBe(gitLabels.owner, place.owner),
    owner,
  ]);
  checks.push([
    (metadata.labels[gitLabels.ownerId] ?? '') !== '',
    `the label ${gitLabels.ownerId} is missing: nobody could be given access`,
    ['metadata', 'labels'],
  ]);
  for (const [section, labels] of [
    ['metadata', metadata.labels],
    ['spec', spec.labels],
  ] as const) {
    const expected = {
      [gitLabels.owner]: place.owner,
      [gitLabels.functionName]: place.functionName,
      [gitLabels.ownerId]: metadata.labels[gitLabels.ownerId] ?? '',
    };
    for (const [key, value] of Object.entries(expected)) {
      checks.push([(labels[key] ?? value) === value, mustBe(key, value), [section, 'labels', key]]);
    }
  }
  const failed = checks.find(([ok]) => !ok);
  return failed === undefined ? undefined : { message: failed[1], at: failed[2] };
}

function mustBe(label: string, value: string): string {
  return `the label ${label} must be "${value}"`;
}

function toDesired(place: ManifestPath, { metadata, spec }: OpenFaasFunction): DesiredFunction {
  const { labels, annotations } = metadata;
  return {
    owner: place.owner,
    ownerId: labels[gitLabels.ownerId] ?? '',
    functionName: place.functionName,
    image: spec.image,
    environment: spec.environment,
    secrets: spec.secrets,
    limits: spec.limits,
    // Labels carry these cut to 63 characters; the annotations carry them whole.
    repo: annotations[towlineAnnotations.repo] ?? labels[gitLabels.repo] ?? '',
    branch: annotations[towlineAnnotations.branch] ?? labels[gitLabels.branch] ?? '',
    sourceCommit: labels[gitLabels.sha] ?? '',
    hold: boundedHold(annotations[towlineAnnotations.hold]),
    access: readFunctionAccess(annotations[towlineAnnotations.access]),
  };
}

/** A person may have written anything of any length. */
function boundedHold(text: string | undefined): Hold | null {
  return readHold(text?.slice(0, maxHold));
}

function refusedBySchema(
  place: ManifestPath,
  error: ZodError,
  document: Document,
  lines: LineCounter,
): ManifestReading {
  const [issue] = error.issues;
  const at = (issue?.path ?? []).filter((part) => typeof part !== 'symbol');
  const where = at.length === 0 ? '' : `${at.join('.')}: `;
  return refused(
    place,
    oneLine(`${where}${issue?.message ?? 'not a Function'}`),
    lineOf(document, lines, at),
  );
}

/** The line of a value, or of the nearest thing around it that is there. */
function lineOf(document: Document, lines: LineCounter, at: (string | number)[]): number | undefined {
  for (let depth = at.length; depth > 0; depth--) {
    const node = document.getIn(at.slice(0, depth), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

/** A manifest that cannot be tried, with the place of the mistake. */
export function refused(place: ManifestPath, message: string, line?: number): ManifestReading {
  return { type: 'refused', cause: { code: 'manifest_refused', message, place: { file: place.path, line } } };
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\s]+/gu, ' ').slice(0, 300);
}
