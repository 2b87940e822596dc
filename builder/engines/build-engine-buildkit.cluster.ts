import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeBaseImage, pushBaseImage } from '../../test/containers/base-image.ts';
import { startBuildkitd } from '../../test/containers/buildkitd.ts';
import { startRegistry } from '../../test/containers/registry.ts';
import { describeBuildEngine, shellDockerfile } from './build-engine.contract.ts';
import { createBuildkitEngine } from './build-engine-buildkit.ts';

describeBuildEngine('buildkit', async (dir) => {
  const registry = await startRegistry();
  const daemon = await startBuildkitd({ registries: [registry.host] });
  const base = await pushBaseImage(registry, await makeBaseImage('shell'));
  const engine = await createBuildkitEngine({
    buildctl: daemon.buildctl,
    path: process.env['PATH']!,
    address: daemon.address,
    registry: registry.host,
    isInsecure: true,
    sharedFolders: ['base'],
    cache: 'none',
    workDir: join(dir, 'work'),
  });
  return {
    engine,
    shortMs: 5000,
    template: () => null,
    prepare: (contextDir, scripts) =>
      writeFile(join(contextDir, 'Dockerfile'), shellDockerfile(base.image, scripts)),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
});
