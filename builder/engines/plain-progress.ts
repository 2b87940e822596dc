import { StringDecoder } from 'node:string_decoder';
import type { FailedStep } from './buildkit-progress.ts';
import { createErrorLine, type ErrorLine, lastState, type OnLine } from './output-lines.ts';

/** What a build by `docker build --progress=plain` prints, step by step. */
export interface PlainProgress {
  write(chunk: Buffer): void;
  /** Hands out what came without a line end. */
  end(): void;
  /** The step that failed, with the engine's words for it; `undefined` if none has. */
  failed(): FailedStep | undefined;
  /** The step of the Dockerfile that began last. */
  lastStep(): string;
  /** What was printed outside of any step: the command's own complaints. The last lines. */
  complaints(): string[];
}

export interface ProgressListener {
  onLine: OnLine;
  onPhase: (text: string) => void;
}

interface Step {
  /** Of its lines. */
  stream: string;
  name: string;
  errorLine: ErrorLine;
}

const maxLineLength = 8192;
const maxSteps = 2000;
const keptComplaints = 20;
const maxPhase = 200;
/** How long a step that began may be kept for the line after it, which says at once if the step is cached. */
const maxUnsaidMs = 100;
/** `#5 0.229 text`: output of a step. The number of seconds is the command's own, so no output can pose as a state. */
const outputLine = /^\d+\.\d+ ?(.*)$/s;
const outputHead = /^#\d+ \d+\.\d+ /;
const stateLine = /^(DONE|CACHED|CANCELED|ERROR:|sha256:|\.\.\.)/;
const gluedState = /^(.*)#\d+ (?:DONE \d+\.\d+s|CACHED|CANCELED|\.\.\.|ERROR: (.*))$/s;
/** `[2/3] RUN npm ci`, `[build 2/5] COPY . .` */
const dockerfileStep = /^\[(?:[^\]]* )?\d+\/\d+\] /;

/** Follows the progress of one build. What programs print goes to `onLine`, the Dockerfile's steps to `onPhase`. */
export function createPlainProgress(listener: ProgressListener): PlainProgress {
  const decoder = new StringDecoder('utf8');
  const steps = new Map<string, Step>();
  let rest = '';
  let lastStep = '';
  let failure: FailedStep | undefined;
  /** Taken for a failure only if nothing better is there: a program may have printed it. */
  let glued: FailedStep | undefined;
  let complaints: string[] = [];
  /** After the steps the command repeats the failed one's output between rulers. */
  let isSummary = false;
  let unsaid: { number: string; name: string; timer: NodeJS.Timeout } | undefined;

  /** Tells of the step that began, once what comes next has said whether it is taken from the cache. */
  function say(mark: string): void {
    if (unsaid === undefined) return;
    const { name, timer } = unsaid;
    unsaid = undefined;
    clearTimeout(timer);
    listener.onPhase(name + mark);
  }

  function seeUnsaid(number: string | undefined, body: string): void {
    const isItsOwn = number !== undefined && number === unsaid?.number;
    // Up to Docker 20.10 a step's digest comes first.
    if (isItsOwn && body.startsWith('sha256:')) return;
    say(isItsOwn && body === 'CACHED' ? ' (cached)' : '');
  }

  function announce(number: string, name: string): void {
    const step: Step = { stream: `#${number}`, name: oneLine(name), errorLine: createErrorLine() };
    if (steps.size < maxSteps) steps.set(number, step);
    if (dockerfileStep.test(name)) {
      lastStep = step.name;
      unsaid = { number, name: step.name, timer: setTimeout(say, maxUnsaidMs, '') };
    }
  }

  /** Behind output without a line end, the command goes on in the same line. */
  function outputAndState(step: Step, text: string): void {
    const [, before, error] = gluedState.exec(text) ?? [];
    output(step, before ?? text);
    if (error !== undefined)
      glued ??= { name: step.name, error: modernWords(error), telling: step.errorLine.get() };
  }

  function output(step: Step, text: string, goesOn = false): void {
    const state = lastState(text);
    step.errorLine.see(state, { stream: step.stream, goesOn });
    for (let at = 0; at === 0 || at < state.length; at += maxLineLength) {
      const end = at + maxLineLength;
      listener.onLine(state.slice(at, end), { stream: step.stream, goesOn: goesOn || end < state.length });
    }
  }

  /** A piece of a line of output that is not at its end yet. */
  function seePiece(head: string, text: string): void {
    const step = isSummary ? undefined : steps.get(head.slice(1, head.indexOf(' ')));
    if (step !== undefined) output(step, text, true);
    else see(head + text);
  }

  function see(line: string): void {
    const [, number, body = ''] = /^#(\d+) (.*)$/s.exec(line) ?? [];
    seeUnsaid(number, body);
    if (isSummary || number === undefined) {
      complain(line);
      return;
    }
    const step = steps.get(number);
    if (step !== undefined) continueStep(step, body);
    else if (!stateLine.test(body)) announce(number, body);
  }

  function continueStep(step: Step, body: string): void {
    const printed = outputLine.exec(body)?.[1];
    if (printed !== undefined) outputAndState(step, printed);
    else if (body.startsWith('ERROR: ')) {
      failure ??= { name: step.name, error: modernWords(body.slice(7)), telling: step.errorLine.get() };
    }
  }

  function complain(line: string): void {
    if (/^-{4,}$/.test(line)) isSummary = true;
    const text = line.trim();
    if (text === '') return;
    complaints.push(text.slice(0, 500));
    if (complaints.length > 2 * keptComplaints) complaints = complaints.slice(-keptComplaints);
  }

  return {
    write(chunk) {
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) see(line);
      // Of a line without end only its beginning says what it is; it is handed on in pieces of the output behind it.
      const [head = ''] = outputHead.exec(rest) ?? [];
      const length = head.length + maxLineLength;
      while (rest.length > 2 * length) {
        seePiece(head, rest.slice(head.length, length));
        rest = `${head}${rest.slice(length)}`;
      }
    },
    end() {
      if (rest !== '') see(rest);
      rest = '';
      say('');
    },
    failed: () => failure ?? glued,
    lastStep: () => lastStep,
    complaints: () => complaints,
  };
}

/** Up to Docker 20.10 a program that ended badly was told of in other words. */
function modernWords(error: string): string {
  return error.replace(
    /^executor failed running (.*): exit code: (\d+)$/s,
    'process $1 did not complete successfully: exit code: $2',
  );
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > maxPhase ? `${line.slice(0, maxPhase - 1)}…` : line;
}
