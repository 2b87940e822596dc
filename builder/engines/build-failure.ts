import { type ErrorCode, TowlineError } from '../../core/errors.ts';

/** What went wrong in an engine that builds images, by its own words. */
interface Pattern {
  pattern: RegExp;
  code: ErrorCode;
  hint?: string;
}

/** In order: the first that fits says what it is. */
const patterns: Pattern[] = [
  {
    pattern: /no space left on device|disk quota exceeded/i,
    code: 'engine_unavailable',
    hint: 'the disk of the build engine is full: free some space',
  },
  {
    pattern: /cannot connect to the docker daemon|error during connect|is the docker daemon running/i,
    code: 'engine_unavailable',
    hint: 'start the engine: the build waits for it',
  },
  {
    pattern: /(?:docker|buildkitd?)\.sock\b.*(?:no such file|connection refused)/i,
    code: 'engine_unavailable',
  },
  {
    pattern:
      /error reading from server|transport is closing|graceful[_ ]stop|session.*(?:closed|healthcheck)/i,
    code: 'engine_unavailable',
  },
  { pattern: /no active session|rpc error: code = unavailable/i, code: 'engine_unavailable' },
  {
    pattern: /pull access denied|insufficient_scope|authorization failed|\b401\b|\b403\b|denied: /i,
    code: 'image_forbidden',
    hint: 'check the name after FROM, and whether the installation has credentials for that registry',
  },
  {
    pattern: /manifest unknown|manifest for .* not found|repository .* not found|: not found$/i,
    code: 'image_not_found',
    hint: 'check the image after FROM: its name and its tag',
  },
  {
    pattern:
      /failed to do request|dial tcp|i\/o timeout|tls handshake timeout|connection (?:refused|reset)|no such host|temporary failure in name resolution|unexpected status code \[?.*5\d\d|toomanyrequests|\b429\b/i,
    code: 'registry_unavailable',
  },
];

/** A program of the build that ended badly is the build's own mistake, whatever it printed. */
const exitCode = /(?:exit code|exit status):? (\d+)/;

/** What they do not find is the repository's, not a registry's. */
const ownSteps = /^(?:RUN|COPY|ADD|WORKDIR|USER|ENV) /;

export interface FailedStep {
  /** As `RUN npm ci`; empty if it was none of the Dockerfile's. */
  name: string;
  /** The line of its output that most likely says why; may be empty. */
  line: string;
}

/** The error to throw for what an engine said. */
export function buildFailure(message: string, step: FailedStep): TowlineError {
  const text = oneLine(message);
  const exit = exitCode.exec(text)?.[1];
  if (exit !== undefined) {
    const why = step.line === '' ? '' : `: ${step.line}`;
    const how =
      exit === '137' ? 'was killed, most likely for want of memory' : `failed with exit code ${exit}`;
    return new TowlineError('build_failed', `step ${step.name || 'of the build'} ${how}${why}`);
  }
  const isOwnStep = ownSteps.test(step.name);
  const known = patterns.find(
    ({ pattern, code }) => pattern.test(text) && (code === 'engine_unavailable' || !isOwnStep),
  );
  const what = isOwnStep && known === undefined ? `step ${step.name} failed: ${text}` : text;
  return new TowlineError(known?.code ?? 'build_failed', what === '' ? 'the build failed' : what, {
    hint: known?.hint,
  });
}

function oneLine(message: string): string {
  return message
    .replace(
      /^(?:error: )?(?:failed to solve(?: with frontend \S+)?: )?(?:rpc error: code = Unknown desc = )?(?:failed to create LLB definition: )?/i,
      '',
    )
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 500);
}
