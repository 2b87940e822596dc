import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { DestinationStream } from 'pino';
import { TowlineError } from '../core/errors.ts';
import type { Environment } from '../runtime/config.ts';
import { gitEnvironment, gitOutput } from '../runtime/git.ts';
import { createLogger } from '../runtime/logger.ts';
import type { LocalConfig } from './config.ts';
import { buildDashboard } from './dashboard-build.ts';
import { openDataFolder } from './data-folder.ts';
import { dockerVariables } from './engine.ts';
import {
  createJsonScreen,
  createTextScreen,
  type ReadyInfo,
  type Screen,
  type ScreenOutput,
} from './first-run/screen.ts';
import { sampleNames, seedSamples } from './first-run/seed.ts';
import type { Installation } from './installation.ts';
import { listen } from './listen.ts';
import { createPlatform, type Platform } from './platform.ts';

export interface RunOptions {
  json: boolean;
  installation: Installation;
  packageDir: string;
  env: Environment;
  output: ScreenOutput;
  /** Standard output belongs to the screen. */
  logOutput: DestinationStream;
  signal: AbortSignal;
}

export interface Running extends AsyncDisposable {
  /** Says that it is being stopped, before the functions drain. */
  stopping(): void;
}

/** The newest thing asked of git is `ls-tree --format`. */
const oldestGit = [2, 36] as const;

async function checkGit(path: string): Promise<void> {
  const output = await gitOutput({ args: ['--version'], env: gitEnvironment(path) }).catch(
    (cause: unknown) => {
      throw new TowlineError('git_missing', 'git is not installed, or not on the PATH', {
        cause,
        hint: 'install it: apt install git, brew install git, or git-scm.com',
      });
    },
  );
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(output) ?? []).slice(1).map(Number);
  if (major < oldestGit[0] || (major === oldestGit[0] && minor < oldestGit[1])) {
    throw new TowlineError('git_missing', `git ${major}.${minor} is too old`, {
      hint: `install ${oldestGit.join('.')} or newer`,
    });
  }
}

function pick(env: Environment, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

function versionOf(packageDir: string): string {
  return (JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')) as { version: string }).version;
}

/** Pushes the samples in the background and tells the screen how the first one went. */
async function seed(
  config: LocalConfig,
  platform: Platform,
  options: RunOptions,
  ready: ReadyInfo,
  screen: Screen,
  dataDir: string,
  logger: ReturnType<typeof createLogger>,
): Promise<void> {
  const samplesDir = join(options.packageDir, 'local/samples');
  const [first] = sampleNames(samplesDir);
  const startedAt = performance.now();
  await seedSamples(
    {
      samplesDir,
      workDir: join(dataDir, 'work'),
      stateFile: join(dataDir, 'samples.json'),
      owner: config.owner,
      gitBaseUrl: `${ready.origin}/git`,
      token: platform.token,
      path: options.env['PATH'] ?? '',
    },
    {
      logger,
      onPushed(name) {
        if (name !== first) return;
        const url = platform.functionUrl(config.owner, name);
        screen.sampleLive({ name, url, tookMs: Math.round(performance.now() - startedAt) });
        screen.hints(ready, url);
      },
    },
    options.signal,
  );
}

/** Starts everything, prints the screen, and gives back what stops it. */
export async function run(config: LocalConfig, options: RunOptions): Promise<Running> {
  // Builds and functions get the Node that runs the platform, whatever else the PATH finds first.
  const path = [dirname(process.execPath), options.env['PATH'] ?? ''].join(delimiter);
  const screen = options.json ? createJsonScreen(options.output) : createTextScreen(options.output);
  await using stack = new AsyncDisposableStack();
  await checkGit(path);
  const data = stack.use(openDataFolder(config.dataDir));
  const logger = createLogger({ level: config.logLevel, name: 'towline' }, options.logOutput);
  const mayMove = options.env['PORT'] === undefined || options.env['PORT'] === '';
  const listening = stack.use(await listen(config.port, mayMove));
  const origin = `http://localhost:${listening.port}`;
  if (listening.insteadOf !== null)
    screen.notice(`Port ${listening.insteadOf} is taken by another program; using ${listening.port}.`);
  const webDir = await buildDashboard(options.packageDir, path, options.signal);
  const version = versionOf(options.packageDir);
  const platform = stack.use(
    await createPlatform(config, {
      data,
      installation: options.installation,
      logger,
      origin,
      packageDir: options.packageDir,
      webDir,
      version,
      path,
      buildEnvironment: pick(options.env, config.buildEnvironment),
      dockerEnvironment: pick(options.env, dockerVariables),
      signal: options.signal,
    }),
  );
  listening.serve(platform.front);
  await platform.start();
  data.announce(origin);
  const ready: ReadyInfo = {
    version,
    nodeVersion: process.versions.node,
    readyMs: Math.round(performance.now()),
    dataDir: data.path,
    origin,
    loginUrl: await platform.loginUrl(),
    owner: platform.owner.slug,
    functionsUrl: platform.functionUrl(platform.owner.slug, '<function>'),
    gitRemote: `http://${platform.owner.slug}@localhost:${listening.port}/git/${platform.owner.slug}/<repo>.git`,
    gitOpsPath: data.at('gitops.git'),
    gitOpsUrl: `${origin}/git/gitops.git`,
  };
  screen.ready(ready);
  const seeding = (
    config.samples ? seed(config, platform, options, ready, screen, data.path, logger) : Promise.resolve()
  ).catch((err: unknown) => {
    logger.error({ err }, 'the samples could not be pushed');
    screen.notice('The samples could not be pushed; the log says why (npm start -- --verbose).');
  });
  const resources = stack.move();
  return {
    stopping: () => screen.notice('Stopping; functions drain first.'),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([seeding]);
      // Requests stop before the rooms that answer them.
      await listening[Symbol.asyncDispose]();
      await resources.disposeAsync();
    },
  };
}
