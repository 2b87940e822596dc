import type { DeployRecord, DeployState, LogLine, PushRecord } from '../../core/deploy.ts';
import { formatPlace } from '../../core/errors.ts';
import { terminalLine } from './terminal-text.ts';

/** How a push is told about in the pusher's terminal. */
export interface ProgressAddresses {
  functionUrl(owner: string, functionName: string, environment?: string): string;
  logUrl(owner: string, pushId: string): string;
}

/** `1.8 s`; whole seconds from ten on. */
export function seconds(ms: number): string {
  const value = Math.max(0, ms) / 1000;
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} s`;
}

/** One line of the log. `since` is when the push came, in milliseconds since the epoch. */
export function logLine(line: LogLine, since: number): string {
  const named = line.functionName === null || line.text.startsWith(line.functionName);
  const prefix = named ? '' : `${line.functionName}: `;
  if (line.kind === 'phase') return terminalLine(`--> ${prefix}${line.text} (${seconds(line.time - since)})`);
  if (line.kind === 'output') return `    ${terminalLine(line.text)}`;
  return terminalLine(`${line.kind}: ${prefix}${line.text}`);
}

function causeText(deploy: DeployRecord): string {
  if (!deploy.cause) return `in stage ${deploy.stage}`;
  const { place, message, hint } = deploy.cause;
  return `${place ? `${formatPlace(place)}: ` : ''}${message}${hint ? ` (${hint})` : ''}`;
}

/** Whether a line of the log says of a deploy no more than its verdict will. */
export function saysVerdict(line: LogLine, push: PushRecord): boolean {
  return push.deploys.some(
    (deploy) =>
      deploy.state === 'failed' &&
      deploy.cause !== null &&
      deploy.functionName === line.functionName &&
      line.text.startsWith(
        `${deploy.functionName ?? 'push'} failed at ${deploy.stage}: ${causeText(deploy)}`,
      ),
  );
}

/** When the deploy reached its end. */
function endedAt(deploy: DeployRecord): number {
  const ends = deploy.steps.map((step) => step.endedAt).filter((end) => end !== null);
  return ends.length > 0 ? Math.max(...ends) : deploy.updatedAt;
}

const otherEnds: Partial<Record<DeployState, string>> = {
  superseded: 'was replaced by a newer push',
  skipped: 'was skipped',
  held: 'is built and held, not live',
  removed: 'is removed',
};

function verdict(push: PushRecord, deploy: DeployRecord, addresses: ProgressAddresses): string {
  const name = deploy.functionName ?? `${push.owner}/${push.repo}`;
  if (deploy.state === 'live' && deploy.functionName !== null) {
    const url = addresses.functionUrl(push.owner, deploy.functionName, deploy.environment);
    return `==> ${name} is live: ${url} (${seconds(endedAt(deploy) - push.createdAt)})`;
  }
  if (deploy.state === 'failed') return `==> ${name} failed: ${causeText(deploy)}`;
  const reason = deploy.cause ? `: ${causeText(deploy)}` : '';
  return `==> ${name} ${otherEnds[deploy.state] ?? `is ${deploy.state}`}${reason}`;
}

/** The last lines of a push that is done: one verdict per function, always. */
export function verdictLines(push: PushRecord, addresses: ProgressAddresses): string[] {
  if (push.deploys.length === 0) return [terminalLine(`==> ${push.note ?? 'nothing to deploy'}`)];
  const lines = push.deploys.map((deploy) => terminalLine(verdict(push, deploy, addresses)));
  if (push.note) lines.push(terminalLine(`    ${push.note}`));
  if (push.deploys.some((deploy) => deploy.state === 'failed')) {
    lines.push('    Your code is stored. What was live before stays live.');
  }
  return [...lines, `    log: ${addresses.logUrl(push.owner, push.id)}`];
}

const doing: Partial<Record<DeployState, string>> = {
  queued: 'waiting',
  building: 'building',
  built: 'building',
  committed: 'deploying',
  applied: 'starting',
};

/** What is said when nothing else is: `still building (12 s)`. */
export function stillLine(push: PushRecord | undefined, elapsedMs: number): string {
  const active = push?.deploys.find((deploy) => doing[deploy.state] !== undefined);
  const word = (active && doing[active.state]) ?? (push?.state === 'running' ? 'building' : 'waiting');
  return `    still ${word} (${seconds(elapsedMs)})`;
}
