import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { runProcess } from '../../runtime/run-process.ts';
import { objectsOf } from '../../test/cluster/kubernetes/apply.ts';
import { fluxDeployment, tool } from '../../test/cluster/tools.ts';
import { clusterFolder } from '../provisioning/set-up.ts';
import { readInstallation } from './installation-config.ts';
import { installationFiles } from './installation-files.ts';

const templateDir = join(import.meta.dirname, '../../gitops-repo-template');
const controllers = ['source-controller', 'kustomize-controller', 'source-watcher'];

/** For tests: the files of an installation, with Flux's real Deployments in place of what `flux install` exports. */
export async function rendered(settings: Record<string, unknown>): Promise<Map<string, string>> {
  const config = readInstallation(
    JSON.stringify({
      repository: 'https://git.example.org/acme/functions.git',
      ...{ domain: 'fn.example.org', registry: 'registry.example.org', tenants: ['alice', 'bob', 'no'] },
      image: `registry.example.org/towline@sha256:${'a'.repeat(64)}`,
      ...settings,
    }),
  );
  const files = await installationFiles(templateDir, config);
  if (config.engine === 'flux') {
    const deployments = await Promise.all(controllers.map(fluxDeployment));
    const text = deployments
      .join('\n---\n')
      .replaceAll(/^metadata:$/gm, 'metadata:\n  namespace: flux-system');
    const folder = clusterFolder(config.cluster);
    files.set(`${folder}flux/system/gotk-components.yaml`, text);
  }
  return files;
}

/** What the path builds, as Flux builds it: by its kustomization, or of every manifest below it. */
export async function build(files: Map<string, string>, path: string): Promise<KubernetesObject[]> {
  const dir = await mkdtemp(join(tmpdir(), 'towline-build-'));
  try {
    const chosen = [...files].filter(([name]) => name.startsWith(`${path}/`));
    for (const [name, text] of chosen) {
      await mkdir(dirname(join(dir, name)), { recursive: true });
      await writeFile(join(dir, name), text);
    }
    const at = join(dir, path);
    if (!files.has(`${path}/kustomization.yaml`))
      await kustomize(at, 'create', '--autodetect', '--recursive');
    return objectsOf(await kustomize(at, 'build', '.'));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function kustomize(cwd: string, ...args: string[]): Promise<string> {
  const command = await tool('kustomize');
  const { exitCode, stdout, stderr } = await runProcess({
    command,
    args,
    cwd,
    env: { HOME: cwd },
    timeoutMs: 60_000,
  });
  if (exitCode !== 0) throw new Error(`kustomize ${args[0]} ended with ${exitCode}: ${stderr}`);
  return stdout.toString();
}

/** The folders of an installation that an engine applies. */
export function appliedPaths(files: Map<string, string>): string[] {
  const manifests = [...files.keys()].filter(
    (path) => path.endsWith('.yaml') && !path.includes('/tenant-template/'),
  );
  return [...new Set(manifests.map((path) => dirname(path)))].sort();
}
