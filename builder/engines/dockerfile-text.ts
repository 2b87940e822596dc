import { readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { TowlineError } from '../../core/errors.ts';

const maxBytes = 512 * 1024;
/** Those versions of Docker's frontend that take all that the platform asks of a build; a digest may be any. */
const knownFrontend =
  /^(?:(?:docker\.io\/)?docker\/dockerfile)(?::(?:latest|labs|1|1-labs|1\.(?:[2-9]|[1-9]\d)(?:\.\d+)?(?:-labs)?))?$/;
const syntaxLine = /^[\s\u{85}\u{feff}]*(?:#|\/\/)[\s\u{85}]*syntax[\s\u{85}]*=(.*)$/iu;

/** The text of a context's Dockerfile as the builder finds it; `undefined`: there is none. */
export async function readDockerfile(contextDir: string): Promise<string | undefined> {
  for (const name of ['Dockerfile', 'dockerfile']) {
    const path = await realpath(join(contextDir, name)).catch(() => undefined);
    if (path === undefined) continue;
    if (!path.startsWith((await realpath(contextDir)) + sep)) {
      throw new TowlineError('build_failed', 'the Dockerfile is a link that leads out of the build context');
    }
    const { size } = await stat(path);
    if (size > maxBytes) {
      throw new TowlineError('build_failed', `the Dockerfile is larger than ${maxBytes} bytes`);
    }
    return (await readFile(path, 'utf8')).replace(/^\u{feff}/u, '');
  }
  return undefined;
}

/**
 * Throws `policy_refused` if the Dockerfile asks for a frontend that is not Docker's: a frontend decides by itself what
 * a build does, and could leave out what keeps owners apart.
 */
export function requireKnownFrontend(dockerfile: string): void {
  // A Dockerfile that is JSON names its frontend there.
  if (/^(?:#![^\n]*\n)?[\s\u{85}]*\{/u.test(dockerfile)) throw refused('{', 1);
  for (const [index, line] of dockerfile.split('\n').entries()) {
    const [, named] = syntaxLine.exec(line) ?? [];
    if (named === undefined) continue;
    const [image = ''] = named.trim().split(/\s+/);
    if (!knownFrontend.test(image)) throw refused(image, index + 1);
  }
}

function refused(image: string, line: number): TowlineError {
  return new TowlineError(
    'policy_refused',
    `${JSON.stringify(image.slice(0, 200))} is no frontend that may be used here`,
    { place: { file: 'Dockerfile', line }, hint: 'write "# syntax=docker/dockerfile:1", or remove the line' },
  );
}
