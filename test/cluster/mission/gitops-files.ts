import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProcess } from '../../../runtime/run-process.ts';
import type { Clone } from '../../e2e/git-client.ts';
import { fluxDeployment } from '../tools.ts';

const packageDir = join(import.meta.dirname, '../../..');
const controllers = ['source-controller', 'kustomize-controller', 'source-watcher'];

/** Does in a clone of an empty GitOps repository what docs/install.md tells an operator to do, and pushes it. */
export async function initGitOps(
  clone: Clone,
  settings: Record<string, unknown>,
): Promise<Map<string, string>> {
  const config = join(clone.dir, '..', `${Date.now()}-installation.yaml`);
  await writeFile(config, JSON.stringify(settings));
  const { exitCode, stderr } = await runProcess({
    command: process.execPath,
    args: [join(packageDir, 'manifest-writer/installation/main.ts'), clone.dir, '--config', config],
    env: { PATH: process.env['PATH'] ?? '' },
    timeoutMs: 60_000,
  });
  if (exitCode !== 0) throw new Error(stderr);
  // In place of `flux install --export`.
  const deployments = (await Promise.all(controllers.map(fluxDeployment))).join('\n---\n');
  const inNamespace = deployments.replaceAll(/^metadata:$/gm, 'metadata:\n  namespace: flux-system');
  await writeFile(join(clone.dir, 'flux/system/gotk-components.yaml'), inNamespace);
  await clone.commit('Set up the installation');
  await clone.git('push', '-q', 'origin', 'HEAD:main');
  const files = new Map<string, string>();
  for (const entry of await readdir(clone.dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(clone.dir.length + 1);
    if (entry.isFile() && !/^\.(git|towline)\//.test(path))
      files.set(path, await readFile(join(clone.dir, path), 'utf8'));
  }
  return files;
}
