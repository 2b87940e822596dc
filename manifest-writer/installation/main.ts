import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { defaultEnvironment, whyNotEnvironment } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import { whyNotOwner } from '../../core/names.ts';
import { gitEnvironment, git as runGit } from '../../runtime/git.ts';
import { setUpFolder } from '../provisioning/set-up.ts';
import { type InstallationConfig, readInstallation } from './installation-config.ts';
import { installationFiles, type KnownTenant } from './installation-files.ts';

const templateDir = join(import.meta.dirname, '../../gitops-repo-template');
const usage = 'npm run init-gitops -- <dir> --config <file>';

/** Writes an installation's files into a folder, a clone of its GitOps repository; what else is there stays. */
async function main(args: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    ...{ args, allowPositionals: true, options: { config: { type: 'string' } } },
  });
  const [given] = positionals;
  if (given === undefined || positionals.length > 1 || values.config === undefined) {
    throw new TowlineError('config_invalid', `usage: ${usage}`);
  }
  const dir = resolve(given);
  const config = readInstallation(await readFile(values.config, 'utf8'));
  const files = await installationFiles(templateDir, config, await knownTenants(dir, config));
  const made: string[] = [];
  const changed: string[] = [];
  for (const [path, text] of files) {
    const before = await readFile(join(dir, path), 'utf8').catch(() => undefined);
    if (before !== text) (before === undefined ? made : changed).push(path);
  }
  await refuseUnsaved(dir, changed);
  for (const path of [...made, ...changed]) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), files.get(path) ?? '');
  }
  const lines = [...made.map((path) => `  new      ${path}`), ...changed.map((path) => `  changed  ${path}`)];
  const count = `${lines.length} of ${files.size} files written to ${given}`;
  const next = 'look at them ("git diff" has what was changed), commit and push';
  process.stdout.write(`${[...lines.sort(), `${count}: ${next}`].join('\n')}\n`);
}

/** Those with a file of their own, whoever made it: it is made anew with the others'. */
async function knownTenants(dir: string, config: InstallationConfig): Promise<KnownTenant[]> {
  const folder = setUpFolder({ ...config, environment: defaultEnvironment });
  const names = await readdir(join(dir, folder)).catch(() => []);
  return names.flatMap((name) => {
    const [owner = '', environment = defaultEnvironment] = name.replace(/\.yaml$/, '').split('.');
    const isTenant = name.endsWith('.yaml') && whyNotOwner(owner) === undefined;
    return isTenant && whyNotEnvironment(environment) === undefined ? [{ owner, environment }] : [];
  });
}

/** What is in git can be had back; what is written over before that is lost. */
async function refuseUnsaved(dir: string, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  const env = gitEnvironment(process.env['PATH'] ?? '');
  const args = ['-C', dir, 'status', '--porcelain', '--untracked-files=all', '--', ...paths];
  const { exitCode, stdout } = await runGit({ args, env });
  const unsaved = exitCode === 0 ? stdout.toString().trimEnd() : '';
  if (unsaved === '') return;
  throw new TowlineError(
    'conflict',
    `these files are to be written, and have changes that are in no commit yet: commit or drop them first\n${unsaved}`,
  );
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`init-gitops: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
