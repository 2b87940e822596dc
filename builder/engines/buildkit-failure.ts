import { TowlineError, type TowlineErrorOptions } from '../../core/errors.ts';
import type { FailedStep } from './buildkit-progress.ts';

/** What is known of a build that `buildctl` ended with an error. */
export interface BuildkitFailure {
  step: FailedStep | undefined;
  /** What `buildctl` said at its end: the place in the Dockerfile, and the error. */
  text: string;
  /** The registry that images are pushed to, as they are named. */
  registry: string;
  /** Whether the Dockerfile is the user's own, so that its line helps. */
  isOwnDockerfile: boolean;
}

const exitCode = /did not complete successfully: exit code: (\d+)(?::[^\n]*)?\s*$/;
const denied = /denied by policy/;
const diskFull = /no space left on device|disk quota exceeded/i;
const builderAway =
  /code = Unavailable|connection error|error reading from server|transport is closing|failed to list workers|client connection is closing|graceful_stop|no active session|(?:dial|connect).*buildkitd|failed to dial|tls: |x509: /i;
const forbidden =
  /\b40[13]\b|unauthorized|forbidden|authorization failed|access denied|insufficient_scope|no basic auth credentials|authentication required/i;
const missing = /not found|manifest unknown|name unknown|does not exist|no such host|no match for platform/i;
const passing =
  /connection refused|connection reset|i\/o timeout|TLS handshake timeout|dial tcp|unexpected EOF|: EOF$|deadline exceeded|too many requests|\b(?:429|50[0-4])\b|network is unreachable|temporary failure/im;
const metadataStep = /^\[internal\] load metadata for (\S+)/;
const fromStep = /^(?:\[[^\]]*\] )?FROM (\S+)/;
const collision = /blob (?:upload )?(?:unknown|invalid)|digest did not match|blob upload/i;
const exportStep = /^(?:exporting to|pushing|exporting cache|importing cache)/;

/**
 * Whether the registry stumbled over uploads of the same layer at the same time, which a second try mends.
 * For what else keeps an image from being stored, BuildKit has tried again by itself.
 */
export function isUploadCollision({ step }: BuildkitFailure): boolean {
  return step !== undefined && exportStep.test(step.name) && collision.test(step.error);
}

/** The error to show for a failed build: whose fault it is, where, and whether waiting helps. */
export function buildkitError(failure: BuildkitFailure): TowlineError {
  const { step } = failure;
  const error = step?.error ?? lastError(failure.text);
  const code = exitCode.exec(error)?.[1];
  // First, since a failing program's own words may look like any of the others.
  if (step && code !== undefined) return programFailed(failure, step, code);
  if (denied.test(error)) return sourceDenied(failure, error);
  if (diskFull.test(error)) return unavailable('the builder has no room left on its disk', error);
  const image = (step && (metadataStep.exec(step.name) ?? fromStep.exec(step.name)))?.[1];
  if (image !== undefined) return baseImageError(failure, image, error);
  if (step && exportStep.test(step.name)) return pushError(failure, error);
  if (!step && builderAway.test(error)) return unavailable('the builder cannot be reached', error);
  if (error === '' || /context canceled|shutting down/i.test(error)) {
    return unavailable('the builder has stopped the build', error);
  }
  return badBuild(failure, error);
}

/** The error for a builder that cannot be used now. */
export function unavailable(what: string, detail: string): TowlineError {
  return new TowlineError('engine_unavailable', what, { cause: new Error(detail.slice(0, 2000)) });
}

function programFailed(failure: BuildkitFailure, step: FailedStep, code: string): TowlineError {
  const why = step.telling === '' ? '' : `: ${step.telling}`;
  return new TowlineError(
    'build_failed',
    `step ${step.name} failed with exit code ${code}${why}`,
    at(failure),
  );
}

function sourceDenied(failure: BuildkitFailure, error: string): TowlineError {
  const image = /docker-image:\/\/(\S+?)"/.exec(error)?.[1] ?? 'that image';
  return new TowlineError('policy_refused', `${image} may not be used here`, {
    ...at(failure),
    hint: 'use an image of your own, or of a registry that the operator allows',
  });
}

/** Nobody tells a missing image from a forbidden one to those without rights. */
function baseImageError(failure: BuildkitFailure, image: string, error: string): TowlineError {
  const cause = new Error(error.slice(0, 2000));
  if (forbidden.test(error)) {
    const message = `${image} does not exist, or may not be pulled`;
    const hint = 'check the name; for a private image, an operator has to give credentials';
    return new TowlineError('image_forbidden', message, { ...at(failure), hint, cause });
  }
  if (missing.test(error)) {
    const hint = 'mend the FROM line';
    return new TowlineError('image_not_found', `there is no image ${image}`, { ...at(failure), hint, cause });
  }
  if (!passing.test(error) && !builderAway.test(error)) return badBuild(failure, error);
  const host = image.slice(0, image.indexOf('/'));
  return new TowlineError('registry_unavailable', `the registry ${host} of ${image} cannot be reached`, {
    cause,
  });
}

/** Whatever keeps an image from being stored is the installation's to mend: the build waits for it. */
function pushError({ registry }: BuildkitFailure, error: string): TowlineError {
  const why = forbidden.test(error) ? 'does not let the platform store images' : 'does not take the image';
  return new TowlineError('registry_unavailable', `the registry ${registry} ${why}`, {
    hint: 'an operator finds the cause in the log of the platform',
    cause: new Error(error.slice(0, 2000)),
  });
}

function badBuild(failure: BuildkitFailure, error: string): TowlineError {
  const sentence = error.replace(/^failed to solve: /, '').split('\n', 1)[0] ?? '';
  const where = failure.step ? `step ${failure.step.name} failed: ` : '';
  if (/failed to read dockerfile: open \S+: no such file/.test(sentence)) {
    return new TowlineError('build_failed', 'the build context has no Dockerfile');
  }
  return new TowlineError('build_failed', `${where}${sentence.slice(0, 500)}`, at(failure));
}

/** `buildctl` names the place first, and shows the lines around it. */
function at({ text, isOwnDockerfile }: BuildkitFailure): TowlineErrorOptions {
  const line = /^Dockerfile:(\d+)$/m.exec(text)?.[1] ?? /parse error (?:on )?line (\d+)/.exec(text)?.[1];
  if (line === undefined || !isOwnDockerfile) return {};
  return { place: { file: 'Dockerfile', line: Number(line) } };
}

/** The place in the Dockerfile comes before it. */
function lastError(text: string): string {
  const start = `\n${text}`.lastIndexOf('\nerror: ');
  return (start === -1 ? text : text.slice(start + 'error: '.length)).trim();
}
