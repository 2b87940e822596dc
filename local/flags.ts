import { parseArgs } from 'node:util';
import { TowlineError } from '../core/errors.ts';

export interface Flags {
  help: boolean;
  /** Print one JSON object a line instead of the screen. */
  json: boolean;
  verbose: boolean;
  checkConfig: boolean;
  /** Goes over TOWLINE_ENGINE. */
  engine: string | undefined;
}

export const usage = `Usage: npm start [-- options]

  --engine <name>  what builds and runs functions: process (default), docker or buildkit
  --json           print one JSON object a line, for programs
  --verbose        JSON logs on standard error
  --check-config   check the settings and stop
  --help           this text

Settings come from the environment: docs/configuration.md lists them.
`;

/** Throws `bad_request` for an unknown flag, naming it. */
export function parseFlags(args: string[]): Flags {
  try {
    const { values } = parseArgs({
      args,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        json: { type: 'boolean', default: false },
        verbose: { type: 'boolean', default: false },
        'check-config': { type: 'boolean', default: false },
        engine: { type: 'string' },
      },
    });
    return {
      help: values.help,
      json: values.json,
      verbose: values.verbose,
      checkConfig: values['check-config'],
      engine: values.engine,
    };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split('. ')[0] : 'bad arguments';
    throw new TowlineError('bad_request', message ?? 'bad arguments', {
      cause,
      hint: 'see npm start -- --help',
    });
  }
}
