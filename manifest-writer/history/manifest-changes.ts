import { gitLabels } from '../../core/function-spec.ts';
import { digestOf } from '../../core/names.ts';
import { authored } from '../render/authored-spec.ts';
import { type FunctionManifest, readFunction } from '../render/read-function.ts';

/** What changed between two manifests, in words and in a fixed order. Values of the environment are not shown. */
export function manifestChanges(before: string | null, after: string | null): string[] {
  if (after === null) return before === null ? [] : ['removed'];
  const next = readFunction(after);
  if (!next) return ['the manifest is not a valid Function'];
  if (before === null) return ['created', `image ${shortImage(next.spec.image)}`];
  const last = readFunction(before);
  if (!last) return ['replaces a manifest that was not a valid Function'];
  return compare(last, next);
}

function compare(last: FunctionManifest, next: FunctionManifest): string[] {
  return [
    ...changed('image', shortImage(last.spec.image), shortImage(next.spec.image)),
    ...changed('source', shortSource(last), shortSource(next)),
    ...mapChanges('env', last.spec.environment, next.spec.environment),
    ...listChanges('secret', last.spec.secrets, next.spec.secrets),
    ...listChanges('constraint', last.spec.constraints, next.spec.constraints),
    ...valueChanges('limit', last.spec.limits ?? {}, next.spec.limits ?? {}),
    ...valueChanges('request', last.spec.requests ?? {}, next.spec.requests ?? {}),
    ...mapChanges('label', authored(last.spec.labels), authored(next.spec.labels)),
    ...mapChanges('annotation', authored(last.spec.annotations), authored(next.spec.annotations)),
    ...changed('read-only file system', onOff(last), onOff(next)),
  ];
}

function changed(what: string, last: string, next: string): string[] {
  return last === next ? [] : [`${what} ${last} → ${next}`];
}

function mapChanges(what: string, last: Record<string, string>, next: Record<string, string>): string[] {
  const keys = [...new Set([...Object.keys(last), ...Object.keys(next)])].sort();
  return keys.flatMap((key) => {
    if (!Object.hasOwn(last, key)) return [`${what} ${key} added`];
    if (!Object.hasOwn(next, key)) return [`${what} ${key} removed`];
    return last[key] === next[key] ? [] : [`${what} ${key} changed`];
  });
}

function listChanges(what: string, last: readonly string[], next: readonly string[]): string[] {
  return [
    ...next.filter((one) => !last.includes(one)).map((one) => `${what} ${one} added`),
    ...last.filter((one) => !next.includes(one)).map((one) => `${what} ${one} removed`),
  ];
}

function valueChanges(
  what: string,
  last: Record<string, string | undefined>,
  next: Record<string, string | undefined>,
): string[] {
  const keys = [...new Set([...Object.keys(last), ...Object.keys(next)])].sort();
  return keys.flatMap((key) => changed(`${key} ${what}`, last[key] ?? 'none', next[key] ?? 'none'));
}

function onOff(manifest: FunctionManifest): string {
  return manifest.spec.readOnlyRootFilesystem ? 'on' : 'off';
}

function shortImage(image: string): string {
  return digestOf(image)?.slice('sha256:'.length, 'sha256:'.length + 7) ?? image;
}

function shortSource(manifest: FunctionManifest): string {
  return (manifest.metadata.labels[gitLabels.sha] ?? 'unknown').slice(0, 7);
}
