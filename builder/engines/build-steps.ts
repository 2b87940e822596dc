import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { runProcess } from '../../runtime/run-process.ts';
import type { BuildStep, Template } from '../templates/template.ts';
import type { BuildRequest } from './build-engine.ts';
import { createErrorLine, createOutputLines } from './output-lines.ts';
import { applies } from './step-conditions.ts';

export interface StepSettings {
  /** The steps' whole environment. */
  env: Record<string, string>;
  /** Of the whole build; milliseconds since the epoch. */
  deadline: number;
  signal: AbortSignal;
}

const maxMegabytes = 64;
const maxLines = 500_000;

/** What one build may still print: reading output costs the platform's time, even when its log is full. */
interface OutputBudget {
  bytes: number;
  lines: number;
}

/** A build by a template: without one there are no steps. */
export type TemplateBuild = BuildRequest & { template: Template };

/** Runs those of the template's steps that have something to do, one after another. */
export async function runSteps(
  request: TemplateBuild,
  settings: StepSettings | (() => Promise<StepSettings>),
): Promise<void> {
  let ready: StepSettings | undefined;
  const budget: OutputBudget = { bytes: maxMegabytes * 1_000_000, lines: maxLines };
  for (const step of request.template.buildSteps) {
    if (!(await applies(request.contextDir, step))) continue;
    ready ??= typeof settings === 'function' ? await settings() : settings;
    await runStep(request, step, ready, budget);
  }
}

async function runStep(
  request: TemplateBuild,
  step: BuildStep,
  settings: StepSettings,
  budget: OutputBudget,
): Promise<void> {
  const { env } = settings;
  await requireProgram(step.command[0] ?? '', env['PATH'] ?? '', request.template.language);
  const errorLine = createErrorLine();
  const tooMuch = new AbortController();
  const stopAt = (limit: string) =>
    tooMuch.abort(
      new TowlineError('build_failed', `step ${step.name} printed more than ${limit}`, {
        hint: 'print less in the build',
      }),
    );
  // Paths as they are in the repository: where the context lies means nothing to the person who pushed.
  const folder = `${request.contextDir}/`;
  const lines = createOutputLines((text, part) => {
    budget.lines -= 1;
    if (budget.lines < 0) return stopAt(`${maxLines} lines`);
    const line = text.replaceAll(folder, '');
    errorLine.see(line, part);
    request.onLine(line, part);
  });
  request.onLine(`${step.name}: ${step.command.join(' ')}`);
  const result = await runProcess({
    command: step.command[0] ?? '',
    args: step.command.slice(1),
    cwd: join(request.contextDir, step.cwd),
    env,
    timeoutMs: Math.max(1, settings.deadline - Date.now()),
    signal: AbortSignal.any([settings.signal, tooMuch.signal]),
    onOutput(chunk, stream) {
      if (tooMuch.signal.aborted) return;
      budget.bytes -= chunk.length;
      if (budget.bytes < 0) stopAt(`${maxMegabytes} MB`);
      else lines.write(chunk, stream);
    },
  });
  lines.end();
  tooMuch.signal.throwIfAborted();
  if (result.timedOut) throw timedOut(`step ${step.name} was stopped`, request.timeoutMs);
  if (result.exitCode === 0) return;
  const how =
    result.exitCode === null ? `was ended by ${result.endedBy}` : `failed with exit code ${result.exitCode}`;
  const why = errorLine.get();
  throw new TowlineError('build_failed', `step ${step.name} ${how}${why === '' ? '' : `: ${why}`}`);
}

/** The error for a build that took too long. */
export function timedOut(what: string, timeoutMs: number): TowlineError {
  const seconds = Math.round(timeoutMs / 100) / 10;
  return new TowlineError('build_timeout', `${what}: the build took longer than its ${seconds} s`, {
    hint: 'do less in the build, or ask the operator for a longer limit',
  });
}

/** Fails with the program's name, before anything is run, if a template needs one that this machine lacks. */
export async function requireProgram(program: string, path: string, language: string): Promise<void> {
  if (program.includes('/')) return;
  for (const folder of path.split(':')) {
    if (folder === '') continue;
    const there = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (there) return;
  }
  throw new TowlineError(
    'build_failed',
    `the language "${language}" needs the program "${program}", which is not on this machine`,
    {
      hint: `install ${program} so that it is on the platform's PATH, and push again`,
    },
  );
}
