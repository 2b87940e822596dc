import type { Command } from 'commander';
import type { PushRecord } from '../../core/deploy.ts';
import { apiPaths } from '../../core/paths.ts';
import { CliError, exitCodes } from './client.ts';
import type { Scope, WithScope } from './scope.ts';

/** The verbs about pushes: stopping one, and building one again. */
export function addBuildCommands(program: Command, withScope: WithScope): void {
  program
    .command('cancel [push]')
    .description(
      'stops what is not committed yet of a push, also what waits for a hold (default: the one that runs)',
    )
    .action(
      withScope(async (scope, wanted: string | undefined) => {
        const push = await pickPush(scope, wanted, ({ state, deploys }) => {
          const waits = wanted !== undefined && deploys.some((deploy) => deploy.state === 'held');
          return state !== 'done' || waits;
        });
        const stopped = await scope.client.request<PushRecord>('POST', apiPaths.cancel(push.id), {});
        scope.show(stopped, () => `${nameOf(push)} is being stopped\n`);
      }),
    );
  program
    .command('rebuild [push]')
    .description('builds the commit of a push again (default: the newest push)')
    .option('--force', 'what has not changed too')
    .action(
      withScope(async (scope, wanted: string | undefined, options: { force?: boolean }) => {
        const push = await pickPush(scope, wanted, ({ ref }) => ref !== '');
        const body = { force: options.force === true };
        const started = await scope.client.request<{ id: string }>('POST', apiPaths.rebuild(push.id), body);
        scope.show(started, () => `${nameOf(push)} is queued again as ${started.id}\n`);
      }),
    );
}

function nameOf({ repo, after }: PushRecord): string {
  return `the push of ${after.slice(0, 7)} to ${repo}`;
}

/** By its id or its commit's beginning; without either the newest that fits. */
async function pickPush(
  scope: Scope,
  wanted: string | undefined,
  fits: (push: PushRecord) => boolean,
): Promise<PushRecord> {
  const pushes = await scope.client.request<PushRecord[]>('GET', apiPaths.pushes(scope.owner));
  const isWanted = ({ id, after }: PushRecord) =>
    wanted === undefined || id === wanted || (wanted.length >= 7 && after.startsWith(wanted));
  const found = pushes.find((push) => isWanted(push) && fits(push));
  if (found) return found;
  const what = wanted === undefined ? 'push to take' : `push ${wanted} to take`;
  throw new CliError(
    exitCodes.notFound,
    'not_found',
    `there is no ${what}`,
    'see the pushes in the dashboard',
  );
}
