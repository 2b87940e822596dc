import type { Command } from 'commander';
import type { RemovalResult } from '../../core/api.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import { apiPaths } from '../../core/paths.ts';
import { CliError, exitCodes } from './client.ts';
import type { Scope, WithScope } from './scope.ts';

interface RemoveOptions {
  reason: string;
  environment: string;
  repo?: string | undefined;
  all?: boolean | undefined;
}

/** Takes functions away that are not, or not only, removed by a push. */
export function addRemoveCommand(program: Command, withScope: WithScope): void {
  program
    .command('remove [function]')
    .alias('rm')
    .description('takes a function away; one that its stack.yml still names comes back with the next push')
    .option('--repo <name>', 'all functions of a repository instead')
    .option('--all', 'all functions of the owner instead')
    .option('--reason <text>', 'why, for the history', '')
    .option('-e, --environment <environment>', 'where', defaultEnvironment)
    .action(withScope(remove));
}

async function remove(scope: Scope, name: string | undefined, options: RemoveOptions): Promise<void> {
  const result = await scope.client.request<RemovalResult>('DELETE', pathOf(scope.owner, name, options));
  scope.show(result, () => said(result, options));
}

function pathOf(owner: string, name: string | undefined, options: RemoveOptions): string {
  const { environment, reason, repo, all } = options;
  const given = [name, repo, all].filter((one) => one !== undefined);
  if (given.length !== 1) {
    throw new CliError(exitCodes.usage, 'bad_request', 'name one function, or a --repo, or say --all');
  }
  const why = { environment, reason };
  if (name !== undefined) return apiPaths.removeFunction(owner, name, why);
  return apiPaths.removeFunctions(owner, { ...why, ...(repo === undefined ? { all: true } : { repo }) });
}

function said(
  { functionNames, commit, unchanged, waiting }: RemovalResult,
  { environment }: RemoveOptions,
): string {
  const names = functionNames.join(' ');
  if (waiting) {
    const many = `${functionNames.length} functions would go and ${waiting.limit} may go at once: ${names}\n`;
    return `${many}nothing is removed yet; confirm it with "towline removals confirm ${waiting.id}"\n`;
  }
  if (functionNames.length === 0) return 'nothing to remove\n';
  const where = environment === defaultEnvironment ? '' : ` from ${environment}`;
  const verb = functionNames.length === 1 ? 'is' : 'are';
  if (unchanged || commit === null) return `${names} ${verb} removed already${where}\n`;
  const done = `${names} ${verb} removed${where} (gitops ${commit.slice(0, 7)})\n`;
  return `${done}what a stack.yml still names comes back with the next push: take it out there too\n`;
}
