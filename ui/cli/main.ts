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

const isJson = process.argv.includes('--json');

function asJson({ code, message, hint }: Pick<CliError, 'code' | 'message'> & { hint?: string | undefined }) {
  return `${JSON.stringify({ ok: false, error: { code, message, hint } })}\n`;
}

function report(error: unknown): number {
  // Commander has printed its own message; asking for help is not a mistake.
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    if (isJson)
      process.stdout.write(asJson({ code: 'usage', message: error.message.replace(/^error: /, '') }));
    return exitCodes.usage;
  }
  const known = error instanceof CliError ? error : new CliError(exitCodes.failed, 'internal', String(error));
  const hint = known.hint ? ` (${known.hint})` : '';
  if (isJson) process.stdout.write(asJson(known));
  else process.stderr.write(`towline: ${known.message}${hint}\n`);
  return known.exitCode;
}

try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}
