import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { TowlineError } from '../../core/errors.ts';
import { readInstallation } from './installation-config.ts';
import { type FileChange, updateRepository } from './update-repository.ts';

const templateDir = join(import.meta.dirname, '../../gitops-repo-template');
const usage = 'npm run init-gitops -- <dir> --config <file> [--overwrite]';

/** Writes an installation's files into a folder, a clone of its GitOps repository, and says what it did. */
async function main(args: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    ...{ args, allowPositionals: true },
    options: { config: { type: 'string' }, overwrite: { type: 'boolean' } },
  });
  const [given] = positionals;
  if (given === undefined || positionals.length > 1 || values.config === undefined) {
    throw new TowlineError('config_invalid', `usage: ${usage}`);
  }
  const { changes, count } = await updateRepository({
    ...{ templateDir, dir: resolve(given), overwrite: values.overwrite ?? false },
    config: readInstallation(await readFile(values.config, 'utf8')),
    searchPath: process.env['PATH'] ?? '',
  });
  const having = (...outcomes: FileChange['outcome'][]) =>
    changes.filter(({ outcome }) => outcomes.includes(outcome)).length;
  const removed = having('removed');
  const lines = changes.map(({ outcome, path }) => `  ${outcome.padEnd(8)} ${path}`).sort();
  const written = `${having('new', 'changed', 'merged')} of ${count} files written to ${given}`;
  const gone = removed > 0 ? `, ${removed} removed, and with them what they are in the cluster` : '';
  const next = 'look at them ("git diff" has what was changed), commit and push';
  process.stdout.write(`${[...lines, `${written}${gone}: ${next}`].join('\n')}\n`);
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`init-gitops: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
