import type { Command } from 'commander';
import type { RevertResult } from '../../core/api.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type { PendingRemoval } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { table, time } from './print.ts';
import type { Scope, WithScope } from './scope.ts';

/** Large removals wait for somebody's yes: the list, and the two answers. */
export function addRemovalCommands(program: Command, withScope: WithScope): void {
  const removals = program
    .command('removals')
    .description('large removals that wait for a yes, and those that got a no')
    .action(withScope((scope) => listRemovals(scope)));
  removals
    .command('confirm <id>')
    .description('the functions that it lists go, in one commit')
    .action(withScope(confirmRemoval));
  removals
    .command('reject <id>')
    .description('its functions stay, also when the same removal is asked for again')
    .action(withScope(rejectRemoval));
}

function allRemovals(scope: Scope): Promise<PendingRemoval[]> {
  return scope.client.request('GET', apiPaths.removals(scope.owner));
}

async function listRemovals(scope: Scope): Promise<void> {
  const removals = await allRemovals(scope);
  scope.show(removals, () => (removals.length === 0 ? 'no removal waits\n' : removalTable(removals)));
}

function removalTable(removals: PendingRemoval[]): string {
  const head = ['ID', 'STATE', 'FUNCTIONS', 'LIMIT', 'FROM', 'ASKED BY', 'WHEN (UTC)', 'WHY'];
  const rows = removals.map((one) => [
    one.id,
    one.state,
    String(one.functionNames.length),
    String(one.limit),
    (one.environment ?? defaultEnvironment) === defaultEnvironment
      ? one.repo
      : `${one.repo} (${one.environment})`,
    one.actor,
    time(one.askedAt),
    one.reason,
  ]);
  const names = removals.map(({ id, functionNames }) => `${id}: ${functionNames.join(' ')}\n`);
  const next = 'answer with "towline removals confirm <id>" or "towline removals reject <id>"\n';
  return `${table([head, ...rows])}\n${names.join('')}\n${next}`;
}

async function confirmRemoval(scope: Scope, id: string): Promise<void> {
  const found = (await allRemovals(scope)).find((one) => one.id === id);
  const result = await scope.client.request<RevertResult>(
    'POST',
    apiPaths.confirmRemoval(scope.owner, id),
    {},
  );
  const functionNames = found?.functionNames ?? [];
  scope.show(
    { ...result, id, functionNames },
    () => `${functionNames.length} functions are removed (gitops ${result.commit.slice(0, 7)})\n`,
  );
}

async function rejectRemoval(scope: Scope, id: string): Promise<void> {
  await scope.client.request('POST', apiPaths.rejectRemoval(scope.owner, id), {});
  scope.show({ id, state: 'rejected' }, () => `removal ${id} is rejected: its functions stay\n`);
}
