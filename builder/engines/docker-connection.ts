import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { TowlineError } from '../../core/errors.ts';
import type { DockerCommand } from './docker-command.ts';

/** Milliseconds that the engine's API may be silent; waiting for a container takes a connection without. */
const apiTimeoutMs = 60_000;
const here = new Set(['localhost', '127.0.0.1', '[::1]']);

/** A client of the engine's API. Throws `config_invalid` for an engine on another machine: its ports would not be here. */
export function connectDocker({ host, environment }: DockerCommand, timeoutMs = apiTimeoutMs): Docker {
  const timeout = timeoutMs === 0 ? {} : { timeout: timeoutMs };
  if (host.startsWith('unix://')) return new Docker({ socketPath: host.slice('unix://'.length), ...timeout });
  if (host.startsWith('npipe://')) {
    return new Docker({ socketPath: host.slice('npipe://'.length).replaceAll('/', '\\'), ...timeout });
  }
  const url = URL.canParse(host) ? new URL(host) : undefined;
  if (url?.protocol !== 'tcp:' || !here.has(url.hostname)) {
    throw new TowlineError('config_invalid', `the Docker Engine at ${host} is not on this machine`, {
      hint: 'functions are reached at 127.0.0.1: use an engine of this machine (DOCKER_HOST)',
    });
  }
  const certificates = environment['DOCKER_CERT_PATH'];
  const tls =
    environment['DOCKER_TLS_VERIFY'] && certificates
      ? {
          protocol: 'https' as const,
          ca: readFileSync(join(certificates, 'ca.pem'), 'utf8'),
          cert: readFileSync(join(certificates, 'cert.pem'), 'utf8'),
          key: readFileSync(join(certificates, 'key.pem'), 'utf8'),
        }
      : { protocol: 'http' as const };
  return new Docker({ host: url.hostname, port: url.port || 2375, ...tls, ...timeout });
}

/** Throws `engine_unavailable` in one sentence if nothing answers. */
export async function requireEngine(docker: Docker, host: string): Promise<void> {
  await docker.ping().catch((cause: unknown) => {
    throw new TowlineError(
      'engine_unavailable',
      `the Docker Engine at ${host} does not answer: ${why(cause)}`,
      {
        cause,
        hint: 'start Docker, and check with "docker info" that you may use it',
      },
    );
  });
}

/** The error for a call of the API that got no answer, or none that was to be expected. */
export function engineAway(cause: unknown): TowlineError {
  if (cause instanceof TowlineError) return cause;
  return new TowlineError('engine_unavailable', `the Docker Engine does not answer: ${why(cause)}`, {
    cause,
  });
}

function why(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string };
  return (code ?? message ?? String(cause)).split('\n')[0]?.slice(0, 200) ?? '';
}
