import type { Command } from 'commander';
import type { FunctionDetail, RevertResult } from '../../core/api.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import { apiPaths } from '../../core/paths.ts';
import type { Scope, WithScope } from './scope.ts';

interface HoldOptions {
  reason: string;
  environment?: string | undefined;
}

/** The verbs that change what is deployed without a push, rollback and removals aside. */
export function addChangeCommands(program: Command, withScope: WithScope): void {
  program
    .command('hold <function>')
    .description('pushes are still built, and wait instead of going live')
    .option('--reason <text>', 'why, for the history', '')
    .option('-e, --environment <environment>', 'where', defaultEnvironment)
    .action(withScope(hold));
  program
    .command('resume <function>')
    .description('the newest push that waited goes live')
    .option('--reason <text>', 'why, for the history', '')
    .option('-e, --environment <environment>', 'where', defaultEnvironment)
    .action(withScope(resume));
  program
    .command('promote <function> <environment>')
    .description('the same image and configuration into another environment')
    .option('--from <environment>', 'where it comes from', defaultEnvironment)
    .option('--reason <text>', 'why, for the history', '')
    .action(withScope(promote));
}

async function change(scope: Scope, path: string, body: object): Promise<RevertResult> {
  return await scope.client.request<RevertResult>('POST', path, body);
}

function said({ unchanged, number, commit, warnings = [] }: RevertResult, done: string): string {
  const result = unchanged ? `${done} already\n` : `${done}: #${number} (gitops ${commit.slice(0, 7)})\n`;
  return `${result}${warnings.map((warning) => `warning: ${warning}\n`).join('')}`;
}

async function hold(scope: Scope, name: string, options: HoldOptions): Promise<void> {
  const result = await change(scope, apiPaths.hold(scope.owner, name), options);
  scope.show(result, () => said(result, `${name} is held`));
}

/** Also says which deploy goes live now. */
async function resume(scope: Scope, name: string, options: HoldOptions): Promise<void> {
  const { environment } = options;
  const path = apiPaths.function(scope.owner, name, { environment });
  const { summary } = await scope.client.request<FunctionDetail>('GET', path);
  const result = await change(scope, apiPaths.resume(scope.owner, name), options);
  const { waiting } = summary;
  const released = waiting && { sourceCommit: waiting.sourceCommit, sourceSubject: waiting.sourceSubject };
  scope.show({ ...result, released }, () => {
    const next =
      released && `${released.sourceCommit.slice(0, 7)} ${released.sourceSubject} waited and goes live\n`;
    return `${said(result, `${name} is resumed`)}${next ?? ''}`;
  });
}

async function promote(
  scope: Scope,
  name: string,
  to: string,
  options: { from: string; reason: string },
): Promise<void> {
  const result = await change(scope, apiPaths.promote(scope.owner, name), { ...options, to });
  scope.show(result, () => said(result, `${name} is promoted from ${options.from} to ${to}`));
}
