import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeBaseImage, pushBaseImage } from '../../test/containers/base-image.ts';
import { startBuildkitd } from '../../test/containers/buildkitd.ts';
import { imageContents } from '../../test/containers/image-contents.ts';
import { startRegistry } from '../../test/containers/registry.ts';
import { describeBuildEngine, shellDockerfile } from './build-engine.contract.ts';
import { createBuildkitEngine } from './build-engine-buildkit.ts';
import type { BuildkitEngineConfig } from './buildkit-engine-config.ts';
import { describeImageEngine } from './image-engine.contract.ts';

/** A registry with base images, a daemon that may be killed and started again, and an engine for them. */
async function startAll(dir: string, options: Partial<BuildkitEngineConfig> = {}) {
  const registry = await startRegistry();
  const socketDir = join(dir, 'daemon');
  await mkdir(socketDir, { recursive: true });
  const start = () => startBuildkitd({ registries: [registry.host], dir: socketDir });
  let daemon = await start();
  const shell = await makeBaseImage('shell');
  const base = await pushBaseImage(registry, shell);
  const foreign = await pushBaseImage(registry, shell, { name: 'bob/private:1' });
  const engine = await createBuildkitEngine({
    buildctl: daemon.buildctl,
    path: process.env['PATH']!,
    address: daemon.address,
    registry: registry.host,
    isInsecure: true,
    sharedFolders: ['base'],
    cache: 'none',
    cacheKey: 'of the test',
    workDir: join(dir, 'work'),
    ...options,
  });
  return {
    engine,
    base: base.image,
    foreign: foreign.image,
    contents: (image: string) => imageContents(registry.origin, image) as never,
    killBuilder: () => daemon.program.kill(),
    async startBuilder() {
      daemon = await start();
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

describeBuildEngine('buildkit', async (dir) => {
  const all = await startAll(dir);
  return {
    ...all,
    shortMs: 5000,
    template: () => null,
    prepare: (contextDir, scripts) =>
      writeFile(join(contextDir, 'Dockerfile'), shellDockerfile(all.base, scripts)),
  };
});

describeImageEngine('buildkit', startAll);
