import type { RequestListener } from 'node:http';
import { parseArgs } from 'node:util';
import { describeError, TowlineError } from '../../core/errors.ts';
import { type ConfigOf, readConfig, type Settings, settingsText } from '../config.ts';
import { aborted, abortOnSignals, armKillTimer } from '../lifecycle.ts';
import { createLogger, type Logger } from '../logger.ts';
import { type Health, internalFront } from './health.ts';
import type { programSettings } from './program-settings.ts';
import { type Front, type Serving, serve } from './serving.ts';

export interface ProgramContext {
  logger: Logger;
  /** Aborts when the program is asked to end. */
  signal: AbortSignal;
  /** `PATH` of the processes it starts. */
  path: string;
}

/** A program that is open: it is disposed of after its requests have ended. */
export interface OpenProgram extends Health, AsyncDisposable {
  /** For the outside. */
  front?: Front | undefined;
  /** Calls of the platform's other programs. */
  internal?: RequestListener | undefined;
  /** Once requests are taken. */
  start?: (() => Promise<void>) | undefined;
}

type Base = typeof programSettings & { port?: Settings[string] };

/** What an operator does with `kubectl exec`; prints what it returns. */
export interface Command<S extends Settings> {
  usage: string;
  run(args: readonly string[], config: ConfigOf<S>, context: ProgramContext): Promise<string>;
}

export interface Program<S extends Settings & Base> {
  /** As `router`. */
  name: string;
  settings: S;
  /** Reads the files that the settings name and throws `config_invalid`; nothing is started. */
  check?: ((config: ConfigOf<S>) => Promise<void> | void) | undefined;
  open(config: ConfigOf<S>, context: ProgramContext): Promise<OpenProgram>;
  commands?: Readonly<Record<string, Command<S>>> | undefined;
}

const exitCodes: Partial<Record<string, number>> = { config_invalid: 2, bad_request: 2 };
/** Of the time to end, what requests may take; the rest is for closing what served them. */
const finishShare = 0.7;

/**
 * Runs a program until it is told to end by SIGTERM or SIGINT. A configuration that makes no sense ends it with 2, any
 * other failure with 1, each with one line on standard error.
 */
export async function runProgram<S extends Settings & Base>(
  process: NodeJS.Process,
  program: Program<S>,
): Promise<void> {
  const fail = (error: unknown) => {
    process.stderr.write(`towline ${program.name}: ${lineOf(error)}\n`);
    process.exit((error instanceof TowlineError ? exitCodes[error.code] : undefined) ?? 1);
  };
  process.on('uncaughtException', fail);
  try {
    await main(process, program);
  } catch (error) {
    fail(error);
  }
}

function lineOf(error: unknown): string {
  if (error instanceof TowlineError) return describeError(error);
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const place = /\n\s+at (.*)/.exec(stack ?? '')?.[1];
  return `${message.replace(/\s+/g, ' ')}${place === undefined ? '' : ` (${place})`}`;
}

interface Asked {
  checkConfig: boolean;
  help: boolean;
  command: string | undefined;
  args: string[];
}

function parse(argv: readonly string[]): Asked {
  const options = { 'check-config': { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;
  const [command, ...args] = argv;
  if (command !== undefined && !command.startsWith('-'))
    return { checkConfig: false, help: false, command, args };
  try {
    const { values } = parseArgs({ args: [...argv], options });
    return {
      checkConfig: values['check-config'] ?? false,
      help: values.help ?? false,
      command: undefined,
      args,
    };
  } catch (cause) {
    throw new TowlineError('bad_request', (cause as Error).message.split('. ')[0] ?? 'bad arguments', {
      cause,
      hint: '--help lists what there is',
    });
  }
}

async function main<S extends Settings & Base>(process: NodeJS.Process, program: Program<S>): Promise<void> {
  const asked = parse(process.argv.slice(2));
  if (asked.help) {
    process.stdout.write(usageOf(program));
    return;
  }
  const config = readConfig<S>(program.settings, process.env);
  await program.check?.(config);
  if (asked.checkConfig) {
    process.stdout.write(`towline ${program.name}: the configuration is valid\n`);
    return;
  }
  const { logLevel, stopGraceMs } = config as ConfigOf<typeof programSettings>;
  const signal = abortOnSignals(process);
  signal.addEventListener('abort', () => armKillTimer(process, stopGraceMs), { once: true });
  const path = process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  if (asked.command !== undefined) {
    const command = program.commands?.[asked.command];
    if (!command) throw new TowlineError('bad_request', `there is no command "${asked.command}"`);
    const logger = createLogger({ level: 'silent', name: program.name });
    process.stdout.write(`${await command.run(asked.args, config, { logger, signal, path })}\n`);
    return;
  }
  const logger = createLogger({ level: logLevel, name: program.name });
  await live(program, config, { logger, signal, path });
}

async function live<S extends Settings & Base>(
  program: Program<S>,
  config: ConfigOf<S>,
  context: ProgramContext,
): Promise<void> {
  const { logger, signal } = context;
  const { host, internalPort, stopGraceMs, port } = config as ConfigOf<typeof programSettings> & {
    port?: number;
  };
  const finishMs = stopGraceMs * finishShare;
  let open: OpenProgram | undefined;
  const health: Health = {
    whyNotReady() {
      if (signal.aborted) return 'it is stopping';
      return open ? open.whyNotReady() : 'it is starting';
    },
    details: () => open?.details?.() ?? {},
  };
  const request = internalFront(health, () => open?.internal);
  await using internal = await serve({ request }, { host, port: internalPort, finishMs });
  await using opened = await program.open(config, context);
  let front: Serving | undefined;
  if (opened.front) front = await serve(opened.front, { host, port: port ?? 0, finishMs });
  open = opened;
  logger.info({ port: front?.port, internalPort: internal.port }, 'listening');
  await opened.start?.();
  await aborted(signal);
  logger.info('stopping');
  // Requests end before what serves them.
  await front?.end();
  await internal.end();
}

function usageOf<S extends Settings & Base>({ name, settings, commands = {} }: Program<S>): string {
  const lines = ['', '--check-config', ...Object.values(commands).map(({ usage }) => usage)];
  const calls = lines.map((line) => `  node ${name}/main.ts ${line}`.trimEnd());
  return `Usage:\n${calls.join('\n')}\n\nSettings come from the environment:\n${settingsText(settings)}\n`;
}
