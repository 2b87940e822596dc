import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { TowlineError } from '../../core/errors.ts';
import { readInstallation } from './installation-config.ts';
import { installationFiles } from './installation-files.ts';

const templateDir = join(import.meta.dirname, '../../gitops-repo-template');
const usage = 'npm run init-gitops -- <dir> --config <file>';

/** Writes an installation's files into a folder, a clone of its GitOps repository; what else is there stays. */
async function main(args: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    ...{ args, allowPositionals: true, options: { config: { type: 'string' } } },
  });
  const [dir] = positionals;
  if (dir === undefined || positionals.length > 1 || values.config === undefined) {
    throw new TowlineError('config_invalid', `usage: ${usage}`);
  }
  const config = readInstallation(await readFile(values.config, 'utf8'));
  const files = await installationFiles(templateDir, config);
  let written = 0;
  for (const [path, text] of files) {
    const at = join(resolve(dir), path);
    if ((await readFile(at, 'utf8').catch(() => undefined)) === text) continue;
    await mkdir(dirname(at), { recursive: true });
    await writeFile(at, text);
    written += 1;
  }
  process.stdout.write(
    `${written} of ${files.size} files written to ${dir}: look at them, commit and push\n`,
  );
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`init-gitops: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
