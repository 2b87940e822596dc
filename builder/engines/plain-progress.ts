import { StringDecoder } from 'node:string_decoder';
import { createErrorLine, type ErrorLine } from './output-lines.ts';

/** What a build by `docker build --progress=plain` prints, step by step. */
export interface PlainProgress {
  write(chunk: Buffer): void;
  /** Hands out what came without a line end. */
  end(): void;
  /** The step that failed, with the engine's words for it; `undefined` if none has. */
  failed(): { name: string; message: string; line: string } | undefined;
  /** The step of the Dockerfile that began last. */
  lastStep(): string;
  /** What was printed outside of any step: the command's own complaints. The last lines. */
  complaints(): string[];
}

export interface ProgressListener {
  onLine: (line: string) => void;
  onPhase: (text: string) => void;
}

interface Step {
  name: string;
  errorLine: ErrorLine;
}

const maxLineLength = 8192;
const maxSteps = 2000;
const keptComplaints = 20;
/** `#5 0.229 text`: output of a step. The number of seconds is the command's own, so no output can pose as a state. */
const outputLine = /^\d+\.\d+ ?(.*)$/s;
const stateLine = /^(DONE|CACHED|CANCELED|ERROR:|sha256:|\.\.\.)/;
/** `[2/3] RUN npm ci`, `[build 2/5] COPY . .` */
const dockerfileStep = /^\[(?:[^\]]* )?\d+\/\d+\] (.+)$/s;

/** Follows the progress of one build. What programs print goes to `onLine`, the Dockerfile's steps to `onPhase`. */
export function createPlainProgress(listener: ProgressListener): PlainProgress {
  const decoder = new StringDecoder('utf8');
  const steps = new Map<string, Step>();
  let rest = '';
  let lastStep = '';
  let failure: { name: string; message: string; line: string } | undefined;
  let complaints: string[] = [];
  /** After the steps the command repeats the failed one's output between rulers. */
  let isSummary = false;

  function announce(number: string, name: string): void {
    const step: Step = { name: dockerfileStep.exec(name)?.[1] ?? '', errorLine: createErrorLine() };
    if (steps.size < maxSteps) steps.set(number, step);
    if (step.name !== '') {
      lastStep = shortName(step.name);
      listener.onPhase(name.slice(0, 300));
    }
  }

  function output(step: Step, text: string): void {
    const line = text.replace(/\r+$/, '');
    const state = line.slice(line.lastIndexOf('\r') + 1);
    step.errorLine.see(state);
    for (let at = 0; at === 0 || at < state.length; at += maxLineLength) {
      listener.onLine(state.slice(at, at + maxLineLength));
    }
  }

  function see(line: string): void {
    const [, number, body = ''] = /^#(\d+) (.*)$/s.exec(line) ?? [];
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
    if (printed !== undefined) output(step, printed);
    else if (body.startsWith('ERROR: ')) {
      failure ??= { name: shortName(step.name), message: body.slice(7), line: step.errorLine.get() };
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
      // Of a line without end only its beginning says what it is; it is handed on in pieces.
      const [, head] = /^(#\d+ \d+\.\d+ )/.exec(rest) ?? [];
      while (rest.length > 2 * maxLineLength) {
        see(rest.slice(0, maxLineLength));
        rest = `${head ?? ''}${rest.slice(maxLineLength)}`;
      }
    },
    end() {
      if (rest !== '') see(rest);
      rest = '';
    },
    failed: () => failure,
    lastStep: () => lastStep,
    complaints: () => complaints,
  };
}

function shortName(name: string): string {
  const line = name.replace(/\s+/g, ' ').trim();
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
