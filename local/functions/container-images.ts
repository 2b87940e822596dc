import type { AuthConfig } from 'dockerode';
import { TowlineError } from '../../core/errors.ts';
import { digestOf } from '../../core/names.ts';
import type { ContainerEngine } from './container-instance.ts';
import type { DesiredFunction } from './desired-function.ts';

/** An image that the engine has. */
export interface RunnableImage {
  /** As the engine knows it. */
  name: string;
  /** Its `USER`; empty: root. */
  user: string;
  /** Its `VOLUME`s: paths. */
  volumes: string[];
}

export interface ContainerImagesConfig {
  /** The registry part of images that exist in this engine only. */
  localRegistry: string;
  /** For a pull in the name of an owner; `undefined`: without credentials. */
  credentials?: ((ownerId: string, registry: string) => Promise<AuthConfig | undefined>) | undefined;
}

/** The images of functions: those built here, and those of registries, pulled by their digest. */
export interface ContainerImages {
  /** Throws `image_gone`, `image_not_found`, `image_forbidden`, `registry_unavailable` or `engine_unavailable`. */
  find(version: DesiredFunction, signal: AbortSignal): Promise<RunnableImage>;
}

export function createContainerImages(
  engine: ContainerEngine,
  config: ContainerImagesConfig,
): ContainerImages {
  /** Several functions, or tries, of one image share a pull. */
  const pulls = new Map<string, Promise<void>>();

  async function look(name: string): Promise<RunnableImage | undefined> {
    try {
      const { Config } = await engine.docker.getImage(name).inspect();
      return { name, user: Config?.User ?? '', volumes: Object.keys(Config?.Volumes ?? {}) };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw engineAway(error);
    }
  }

  function pullOnce(name: string, version: DesiredFunction): Promise<void> {
    // Not shared between owners: each has to be allowed to.
    const key = `${version.ownerId} ${name}`;
    const known = pulls.get(key);
    if (known !== undefined) return known;
    const pull = pullImage(name, version).finally(() => pulls.delete(key));
    pulls.set(key, pull);
    return pull;
  }

  async function pullImage(name: string, version: DesiredFunction): Promise<void> {
    const registry = name.slice(0, name.indexOf('/'));
    const auth = await config.credentials?.(version.ownerId, registry);
    try {
      const stream = await engine.patient.createImage(auth ?? {}, { fromImage: name });
      await new Promise<void>((resolve, reject) => {
        engine.patient.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
      });
    } catch (error) {
      throw pullFailure(name, error);
    }
  }

  return {
    async find(version, signal) {
      const digest = digestOf(version.image);
      if (digest === undefined) throw gone(`the image "${version.image}" has no digest, so it cannot be run`);
      if (version.image.startsWith(`${config.localRegistry}/`)) {
        const found = await look(digest);
        if (found === undefined) throw gone(`the image ${digest.slice(0, 19)} is not in the Docker Engine`);
        return found;
      }
      const name = version.image.replace(/:[^/:@]+@/, '@');
      const found = await look(name);
      if (found !== undefined) return found;
      await abortable(pullOnce(name, version), signal);
      const pulled = await look(name);
      if (pulled === undefined) throw gone(`${name} was pulled, but the Docker Engine does not have it`);
      return pulled;
    },
  };
}

/** The pull goes on: others may wait for it, and the next try is glad of it. */
function abortable(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function pullFailure(name: string, cause: unknown): TowlineError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const said = engineWords(message);
  if (/manifest unknown|not found/i.test(message)) {
    return new TowlineError('image_not_found', `${name} is not in its registry`, { cause });
  }
  if (/denied|unauthorized|forbidden|authentication required|no basic auth/i.test(message)) {
    return new TowlineError('image_forbidden', `${name} may not be pulled: ${said}`, { cause });
  }
  if ((cause as NodeJS.ErrnoException).code !== undefined && statusOf(cause) === undefined)
    return engineAway(cause);
  return new TowlineError('registry_unavailable', `${name} cannot be pulled: ${said}`, { cause });
}

function gone(message: string): TowlineError {
  return new TowlineError('image_gone', message, { hint: 'push the source again to rebuild it' });
}

/** Without what the client puts before it. */
export function engineWords(message: string): string {
  return message
    .replace(/^\(HTTP code \d+\) [a-z ]+ - /, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
}

/** The error for a call that the engine did not answer. */
export function engineAway(cause: unknown): TowlineError {
  if (cause instanceof TowlineError) return cause;
  const { code, message } = cause as { code?: string; message?: string };
  const status = statusOf(cause);
  if (status !== undefined) {
    return new TowlineError(
      'engine_unavailable',
      `the Docker Engine refuses: ${engineWords(message ?? '')}`,
      { cause },
    );
  }
  const why = (code ?? message ?? String(cause)).replace(/\s+/g, ' ').slice(0, 200);
  return new TowlineError('engine_unavailable', `the Docker Engine does not answer: ${why}`, {
    hint: 'start Docker: the function is started as soon as it answers',
    cause,
  });
}

/** The engine answered, with a refusal. */
export function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode;
}
