import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Command, type CommanderError } from 'commander';
import type { FunctionDetail, FunctionSummary, Me, RevertResult } from '../../core/api.ts';
import type { HistoryEntry, ManifestDiff } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { addBuildCommands } from './builds.ts';
import { addChangeCommands } from './changes.ts';
import { addCiCommands } from './ci.ts';
import { CliError, type Client, createClient, exitCodes, findConnection } from './client.ts';
import { addLogCommand } from './logs.ts';
import { newFunction, newFunctionLanguages } from './new-function.ts';
import { functionNotes, functionTable, historyTable } from './print.ts';
import { addRemovalCommands } from './removals.ts';
import { addRemoveCommand } from './remove.ts';
import { earlierVersions, failedCommitsOf, waitUntilLive, withChoice } from './rollback.ts';
import type { Scope, WithScope } from './scope.ts';

export interface CliContext {
  env: Record<string, string | undefined>;
  cwd: string;
  packageDir: string;
  stdin: Readable;
  stdout: Writable;
  stderr: Writable;
}

function dataDirOf(context: CliContext): string {
  return context.env['TOWLINE_DATA']
    ? resolve(context.cwd, context.env['TOWLINE_DATA'])
    : join(context.packageDir, '.data');
}

function connect(context: CliContext): Client {
  const { env } = context;
  return createClient(
    findConnection({ url: env['TOWLINE_URL'], token: env['TOWLINE_TOKEN'], dataDir: dataDirOf(context) }),
  );
}

async function openScope(context: CliContext, options: { json?: boolean; owner?: string }): Promise<Scope> {
  const client = connect(context);
  const json = options.json === true;
  const wanted = options.owner ?? context.env['TOWLINE_OWNER'];
  const owner = wanted ?? (await client.request<Me>('GET', apiPaths.me())).identity.owner;
  return {
    client,
    owner,
    json,
    show: (value, asText) => context.stdout.write(json ? `${JSON.stringify(value)}\n` : asText()),
  };
}

interface Where {
  environment?: string | undefined;
}

function historyOf(scope: Scope, name: string, query: Where & { limit: number }): Promise<HistoryEntry[]> {
  return scope.client.request('GET', apiPaths.history(scope.owner, name, query));
}

function missing(what: string): CliError {
  return new CliError(exitCodes.notFound, 'not_found', `there is ${what}`, 'see "towline history"');
}

/** `#3`, `3` or a commit's start. */
function pickVersion(entries: HistoryEntry[], wanted: string): HistoryEntry {
  const number = Number(wanted.replace(/^#/, ''));
  const found = entries.find(
    (entry) => entry.number === number || (wanted.length >= 7 && entry.commit.startsWith(wanted)),
  );
  if (!found) throw missing(`no deploy ${wanted}`);
  return found;
}

async function rollback(
  scope: Scope,
  name: string,
  wanted: string | undefined,
  options: Where & { reason: string; hold?: boolean },
): Promise<void> {
  const { environment } = options;
  const entries = await historyOf(scope, name, { environment, limit: 200 });
  const earlier = earlierVersions(entries, await failedCommitsOf(scope.client, scope.owner, name));
  const target = wanted === undefined ? earlier[0] : pickVersion(entries, wanted);
  if (!target) throw missing('no earlier version');
  const current = entries.find((entry) => entry.current);
  const body = {
    toCommit: target.commit,
    ...options,
    ...(current ? { expectedCommit: current.commit } : {}),
  };
  const { entry } = await scope.client.request<FunctionDetail>(
    'GET',
    apiPaths.function(scope.owner, name, { environment }),
  );
  const result = await scope.client
    .request<RevertResult>('POST', apiPaths.revert(scope.owner, name), body)
    .catch((error: unknown) => {
      throw withChoice(
        error,
        name,
        earlier.filter((other) => other !== target),
      );
    });
  await reportRollback(scope, name, { environment, target, result, before: entry });
}

async function reportRollback(
  scope: Scope,
  name: string,
  done: Where & { target: HistoryEntry; result: RevertResult; before: FunctionDetail['entry'] },
): Promise<void> {
  const { environment, target, result, before } = done;
  if (result.unchanged) {
    const live = before?.status === 'Ready' && before.reason === null;
    return void scope.show({ ...result, live }, () => `${name} is at #${target.number}'s state already\n`);
  }
  const said = `rolled back to #${target.number} as #${result.number}; waiting until it is live\n`;
  if (!scope.json) scope.show(result, () => said);
  const { live, url, reason } = await waitUntilLive({
    client: scope.client,
    owner: scope.owner,
    name,
    environment,
    before,
  });
  if (!live && !scope.json) {
    throw new CliError(
      exitCodes.timeout,
      'timeout',
      `${name} is not live: ${reason ?? 'it is still starting'}`,
    );
  }
  scope.show({ ...result, live }, () => `==> ${name} is live: ${url}\n`);
}

async function showStatus(scope: Scope, name: string, { environment }: Where): Promise<void> {
  const path = apiPaths.function(scope.owner, name, { environment });
  const detail = await scope.client.request<FunctionDetail>('GET', path);
  scope.show(detail, () => `${functionTable([detail.summary])}${functionNotes(detail.summary)}`);
}

async function showDiff(
  scope: Scope,
  name: string,
  wanted: string | undefined,
  { environment }: Where,
): Promise<void> {
  const entries = await historyOf(scope, name, { environment, limit: 200 });
  const target = wanted === undefined ? entries[0] : pickVersion(entries, wanted);
  if (!target) throw new CliError(exitCodes.notFound, 'not_found', `${name} has no history`);
  const diff = await scope.client.request<ManifestDiff>(
    'GET',
    apiPaths.diff(scope.owner, name, { environment, to: target.commit }),
  );
  scope.show(diff, () => `${diff.summary.map((line) => `# ${line}\n`).join('')}${diff.unified}`);
}

function quoted(argument: string): string {
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}

async function makeFunction(
  context: CliContext,
  scope: Scope,
  language: string,
  name: string,
): Promise<void> {
  const cli = join(context.packageDir, 'ui/cli/towline.js');
  const helper = `!TOWLINE_DATA=${quoted(dataDirOf(context))} ${quoted(process.execPath)} ${quoted(cli)} credential`;
  const made = await newFunction({
    language,
    name,
    parentDir: context.cwd,
    owner: scope.owner,
    origin: scope.client.connection.origin,
    credentialHelper: helper,
    path: context.env['PATH'] ?? '',
  });
  scope.show(made, () => `made ${made.dir}\nnext: cd ${name} && git push towline main\n`);
}

/** Git's credential helper protocol (gitcredentials(7)): only "get" is answered, only for this platform. */
async function credential(context: CliContext, action: string): Promise<void> {
  const asked = await text(context.stdin);
  if (action !== 'get') return;
  const { connection } = connect(context);
  const fields = new Map(
    asked.split('\n').map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]),
  );
  if (`${fields.get('protocol')}://${fields.get('host')}` !== connection.origin) return;
  context.stdout.write(`username=${fields.get('username') ?? 'towline'}\npassword=${connection.token}\n`);
}

function versionOf(packageDir: string): string {
  return (JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')) as { version: string }).version;
}

const inEnvironment = ['-e, --environment <environment>', 'in which environment'] as const;

/** The command line `towline`: everything it does goes through the platform API. */
export function createProgram(context: CliContext): Command {
  const program = new Command('towline')
    .description('Push source, get a running function at a URL.')
    .version(versionOf(context.packageDir), '-V, --version', 'print the version')
    .option('--json', 'print JSON for programs')
    .option('--owner <owner>', 'whose functions (default: your own, or TOWLINE_OWNER)')
    .configureOutput({
      writeOut: (line) => context.stdout.write(line),
      writeErr: (line) => context.stderr.write(line),
    })
    .showSuggestionAfterError()
    .exitOverride((error: CommanderError) => {
      throw error;
    });
  const withScope: WithScope =
    <A extends unknown[]>(run: (scope: Scope, ...args: A) => Promise<void>) =>
    async (...args: A) =>
      run(await openScope(context, program.opts()), ...args);

  program
    .command('list')
    .alias('ls')
    .description('functions and their state')
    .option(...inEnvironment)
    .action(
      withScope(async (scope, options: Where) => {
        const rows = await scope.client.request<FunctionSummary[]>(
          'GET',
          apiPaths.functions(scope.owner, options),
        );
        scope.show(rows, () => functionTable(rows));
      }),
    );
  program
    .command('status <function>')
    .alias('describe')
    .description('one function')
    .option(...inEnvironment)
    .action(withScope(showStatus));
  program
    .command('history <function>')
    .alias('deploys')
    .description('its deploys, newest first, from git')
    .option(...inEnvironment)
    .action(
      withScope(async (scope, name: string, { environment }: Where) => {
        const entries = await historyOf(scope, name, { environment, limit: 50 });
        scope.show(entries, () => historyTable(entries));
      }),
    );
  program
    .command('diff <function> [deploy]')
    .description('what a deploy changed (default: the newest)')
    .option(...inEnvironment)
    .action(withScope(showDiff));
  addLogCommand(program, withScope);
  program
    .command('rollback <function> [deploy]')
    .alias('revert')
    .description('back to a deploy (default: the newest good one before)')
    .option('--reason <text>', 'why, for the history', '')
    .option(...inEnvironment)
    .option('--hold', 'hold the function there, so that no push replaces it')
    .action(withScope(rollback));
  addBuildCommands(program, withScope);
  addChangeCommands(program, withScope);
  addRemoveCommand(program, withScope);
  addRemovalCommands(program, withScope);
  addCiCommands(program, withScope);
  program
    .command('new <language> <name>')
    .alias('init')
    .description(`a repository with one function (${newFunctionLanguages.join(', ')})`)
    .action(
      withScope((scope, language: string, name: string) => makeFunction(context, scope, language, name)),
    );
  program
    .command('token')
    .description("prints git's password for this platform")
    .action(
      withScope(async (scope) =>
        scope.show({ token: scope.client.connection.token }, () => `${scope.client.connection.token}\n`),
      ),
    );
  program
    .command('login')
    .description('prints a new one-time link to the dashboard')
    .action(
      withScope(async (scope) => {
        const link = await scope.client.request<{ url: string }>('POST', apiPaths.loginLinks(), {});
        scope.show(link, () => `${link.url}\n`);
      }),
    );
  program
    .command('credential <action>', { hidden: true })
    .action((action: string) => credential(context, action));
  return program;
}
