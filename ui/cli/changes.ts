import type { Command } from 'commander';
import type { RevertResult } from '../../core/api.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type { PendingRemoval } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { CliError, exitCodes } from './client.ts';
import type { Scope, WithScope } from './scope.ts';

/** The verbs that change what is deployed without a push, rollback aside. */
export function addChangeCommands(program: Command, withScope: WithScope): void {
  for (const verb of ['hold', 'resume'] as const) {
    const description =
      verb === 'hold'
        ? 'pushes are still built, and wait instead of going live'
        : 'the newest push that waited goes live';
    program
      .command(`${verb} <function>`)
      .description(description)
      .option('--reason <text>', 'why, for the history', '')
      .action(
        withScope((scope, name: string, options: { reason: string }) =>
          change(
            scope,
            apiPaths[verb](scope.owner, name),
            options,
            `${name} is ${verb === 'hold' ? 'held' : 'resumed'}`,
          ),
        ),
      );
  }
  program
    .command('promote <function> <environment>')
    .description('the same image and configuration into another environment')
    .option('--from <environment>', 'where it comes from', defaultEnvironment)
    .option('--reason <text>', 'why, for the history', '')
    .action(
      withScope((scope, name: string, to: string, options: { from: string; reason: string }) =>
        change(
          scope,
          apiPaths.promote(scope.owner, name),
          { ...options, to },
          `${name} is promoted to ${to}`,
        ),
      ),
    );
  program
    .command('removals [action] [id]')
    .description('large removals that wait for a yes; action: confirm or reject')
    .action(
      withScope((scope, action: string | undefined, id: string | undefined) =>
        action === undefined ? listRemovals(scope) : answerRemoval(scope, action, id),
      ),
    );
}

async function change(scope: Scope, path: string, body: object, done: string): Promise<void> {
  const result = await scope.client.request<RevertResult>('POST', path, body);
  scope.show(result, () =>
    result.unchanged
      ? `${done} already\n`
      : `${done}: #${result.number} (gitops ${result.commit.slice(0, 7)})\n`,
  );
}

async function listRemovals(scope: Scope): Promise<void> {
  const removals = await scope.client.request<PendingRemoval[]>('GET', apiPaths.removals(scope.owner));
  scope.show(removals, () =>
    removals.length === 0
      ? 'no removal waits\n'
      : removals
          .map(({ id, functionNames, reason, state }) => {
            const what = `${functionNames.length} functions (${functionNames.slice(0, 5).join(', ')}, …)`;
            return `${id}  ${state}  ${what}: ${reason}\n`;
          })
          .join(''),
  );
}

async function answerRemoval(scope: Scope, action: string, id: string | undefined): Promise<void> {
  if (id === undefined || (action !== 'confirm' && action !== 'reject')) {
    throw new CliError(exitCodes.usage, 'bad_request', 'towline removals [confirm|reject <id>]');
  }
  if (action === 'confirm') {
    return await change(scope, apiPaths.confirmRemoval(scope.owner, id), {}, `removal ${id} is made`);
  }
  await scope.client.request('POST', apiPaths.rejectRemoval(scope.owner, id), {});
  scope.show({ id, state: 'rejected' }, () => `removal ${id} is rejected\n`);
}
