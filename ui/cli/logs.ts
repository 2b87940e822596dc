import { stripVTControlCharacters } from 'node:util';
import { type Command, InvalidArgumentError } from 'commander';
import type { FunctionDetail } from '../../core/api.ts';
import type { LogLine } from '../../core/deploy.ts';
import { apiPaths } from '../../core/paths.ts';
import { CliError, exitCodes } from './client.ts';
import type { Scope, WithScope } from './scope.ts';

interface LogOptions {
  build?: boolean;
  follow?: boolean;
  lines: number;
  environment?: string | undefined;
}

const maxLines = 10_000;

/** The verb `logs`: what a function prints, or the log of its last build. */
export function addLogCommand(program: Command, withScope: WithScope): void {
  program
    .command('logs <function>')
    .description('what the function prints; with --build the log of its last build')
    .option('--build', 'the log of its last build')
    .option('-f, --follow', 'go on with what it prints from now on')
    .option('-n, --lines <count>', `how many of the newest lines (up to ${maxLines})`, lineCount, 1_000)
    .option('-e, --environment <environment>', 'in which environment')
    .action(
      withScope((scope, name: string, options: LogOptions) => {
        if (options.build) return showBuildLog(scope, name, options);
        return options.follow ? followOutput(scope, name, options) : showOutput(scope, name, options);
      }),
    );
}

function lineCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= maxLines) return count;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${maxLines}.`);
}

async function showBuildLog(scope: Scope, name: string, { environment }: LogOptions): Promise<void> {
  const path = apiPaths.function(scope.owner, name, { environment });
  const detail = await scope.client.request<FunctionDetail>('GET', path);
  const pushId = detail.summary.lastDeploy?.pushId;
  if (!pushId)
    throw new CliError(exitCodes.notFound, 'not_found', `${name} has no build log on this platform`);
  const log = await scope.client.text(apiPaths.logText(pushId));
  scope.show({ pushId, log }, () => log);
}

async function showOutput(scope: Scope, name: string, { lines: last, environment }: LogOptions) {
  const path = apiPaths.output(scope.owner, name, { lines: last, environment });
  const lines = await scope.client.request<LogLine[]>('GET', path);
  scope.show(lines, () => lines.map(asText).join(''));
}

async function followOutput(scope: Scope, name: string, { lines: last, environment }: LogOptions) {
  const path = apiPaths.outputStream(scope.owner, name, { lines: last, environment });
  for await (const { event, data } of scope.client.events(path)) {
    if (event === 'end') return;
    if (event !== 'line') continue;
    const line = JSON.parse(data) as LogLine;
    scope.show(line, () => asText(line));
  }
  throw new CliError(exitCodes.failed, 'unavailable', 'the log was cut off', 'ask again');
}

/** Nothing in it can move the terminal's cursor or colour what follows. */
function asText({ time, text }: LogLine): string {
  const plain = stripVTControlCharacters(text).replace(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    character === '\t' ? character : '',
  );
  return `${new Date(time).toISOString()} ${plain}\n`;
}
