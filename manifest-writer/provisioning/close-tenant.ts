import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TowlineError } from '../../core/errors.ts';
import { whyNotOwner } from '../../core/names.ts';
import { closedTenant } from '../render/tenant.ts';

const usage = 'npm run close-tenant -- <dir> <owner> --reason <text>';
const sentinelGlobs = ['tenants', 'environments/*/tenants'];
const setUpGlobs = ['flux/tenants', 'argocd/tenants', 'clusters/*/flux/tenants', 'clusters/*/argocd/tenants'];

/** In a clone of the GitOps repository: takes away what applies a tenant's folders, and says in them that it is closed. */
async function main(args: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    ...{ args, allowPositionals: true, options: { reason: { type: 'string' } } },
  });
  const [dir, owner, ...rest] = positionals;
  if (dir === undefined || owner === undefined || rest.length > 0 || values.reason === undefined) {
    throw new TowlineError('config_invalid', `usage: ${usage}`);
  }
  const problem = whyNotOwner(owner);
  if (problem !== undefined) throw new TowlineError('name_invalid', problem);
  const done: string[] = [];
  for (const folder of await foldersOf(dir, sentinelGlobs)) {
    const path = join(folder, owner, 'tenant.yaml');
    const text = await readFile(join(dir, path), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    await writeFile(join(dir, path), closedTenant(text, values.reason));
    done.push(`  closed   ${path}`);
  }
  const isDeployed = done.length > 0;
  for (const folder of await foldersOf(dir, setUpGlobs)) {
    for (const name of await readdir(join(dir, folder)).catch(() => [])) {
      if (!name.endsWith('.yaml') || name.split('.')[0] !== owner) continue;
      await rm(join(dir, folder, name));
      done.push(`  removed  ${join(folder, name)}`);
    }
  }
  if (done.length === 0) throw new TowlineError('not_found', `there is no tenant "${owner}" in ${dir}`);
  const note = isDeployed
    ? 'its functions go'
    : 'nothing of it was ever deployed; a first push sets it up again';
  process.stdout.write(`${done.join('\n')}\nlook at it, commit and push: ${note}\n`);
}

/** Of paths in which one part may be any name. */
async function foldersOf(dir: string, globs: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    globs.map(async (glob) => {
      const [before, after] = glob.split('/*/');
      if (before === undefined || after === undefined) return [glob];
      const names = await readdir(join(dir, before)).catch(() => []);
      return names.map((name) => join(before, name, after));
    }),
  );
  return found.flat();
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`close-tenant: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
