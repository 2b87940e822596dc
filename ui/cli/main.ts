import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { CliError, exitCodes } from './client.ts';
import { createProgram } from './program.ts';

const program = createProgram({
  env: process.env,
  cwd: process.cwd(),
  packageDir: fileURLToPath(new URL('../..', import.meta.url)),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
});

function report(error: unknown): number {
  // Commander has printed its own message; asking for help is not a mistake.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
  const known = error instanceof CliError ? error : new CliError(exitCodes.failed, 'internal', String(error));
  const problem = { ok: false, error: { code: known.code, message: known.message, hint: known.hint } };
  const hint = known.hint ? ` (${known.hint})` : '';
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(problem)}\n`);
  else process.stderr.write(`towline: ${known.message}${hint}\n`);
  return known.exitCode;
}

try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}
