import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError, TowlineError } from '../core/errors.ts';
import { aborted, abortOnSignals, armKillTimer } from '../runtime/lifecycle.ts';
import { parseLocalConfig } from './config.ts';
import { parseFlags, usage } from './flags.ts';
import { readInstallation } from './installation.ts';
import { run } from './run.ts';

/** Longer than any drain: then the process ends even if something hangs. */
const stopGraceMs = 15_000;

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  if (flags.help) {
    process.stdout.write(usage);
    return;
  }
  const env = {
    ...(flags.verbose ? { TOWLINE_LOG_LEVEL: 'info' } : {}),
    ...process.env,
    ...(flags.engine === undefined ? {} : { TOWLINE_ENGINE: flags.engine }),
  };
  const config = parseLocalConfig(env);
  const installation = readInstallation({
    path: config.configFile,
    defaultPath: join(config.dataDir, 'towline.yaml'),
    owner: config.owner,
  });
  if (flags.checkConfig) {
    process.stdout.write('towline: the configuration is valid\n');
    return;
  }
  const signal = abortOnSignals(process);
  signal.addEventListener('abort', () => armKillTimer(process, stopGraceMs), { once: true });
  const packageDir = fileURLToPath(new URL('..', import.meta.url));
  await using running = await run(config, {
    installation,
    ...flags,
    packageDir,
    env: process.env,
    output: process.stdout,
    logOutput: process.stderr,
    signal,
  });
  await aborted(signal);
  running.stopping();
}

const exitCodes: Partial<Record<string, number>> = {
  config_invalid: 2,
  bad_request: 2,
  node_too_old: 3,
  git_missing: 3,
  engine_unavailable: 3,
};

try {
  await main();
} catch (error) {
  const known = error instanceof TowlineError;
  process.stderr.write(`towline: ${known ? describeError(error) : String((error as Error).stack)}\n`);
  process.exitCode = (known ? exitCodes[error.code] : undefined) ?? 1;
}
