import { z } from 'zod';
import {
  createErrorLine,
  createOutputLines,
  type ErrorLine,
  type OnLine,
  type OutputLines,
} from './output-lines.ts';

const Vertex = z.object({
  digest: z.string(),
  name: z.string().default(''),
  started: z.string().optional(),
  completed: z.string().optional(),
  cached: z.boolean().optional(),
  error: z.string().optional(),
});
const Log = z.object({ vertex: z.string(), stream: z.number().optional(), data: z.string().default('') });
const Warning = z.object({ short: z.string().optional() });

/** One line of `--progress rawjson`. Source: moby/buildkit, client/graph.go and util/progress/progressui. */
const Status = z.object({
  vertexes: z.array(Vertex).nullish(),
  logs: z.array(Log).nullish(),
  warnings: z.array(Warning).nullish(),
});

/** A step that ended badly. */
export interface FailedStep {
  /** As `[2/3] RUN npm test`. */
  name: string;
  /** BuildKit's sentence. */
  error: string;
  /** The line of its output that most likely says why; empty if there is none. */
  telling: string;
}

export interface BuildProgress {
  /** What `buildctl` writes to its standard error. */
  write(chunk: Buffer): void;
  end(): void;
  /** The first step that failed by itself, rather than because another did. */
  failed(): FailedStep | undefined;
  /** The step that has begun last and is not done. */
  running(): string | undefined;
  /** What was written besides progress: `buildctl`'s own words, its last 16 kB. */
  rest(): string;
}

export interface ProgressListener {
  onLine: OnLine;
  onPhase: (text: string) => void;
  /** Bytes and lines of output, before they are handed on. */
  onOutput: (bytes: number) => void;
}

interface Step {
  name: string;
  lines: OutputLines;
  errorLine: ErrorLine;
  isAnnounced: boolean;
  isDone: boolean;
  error: string | undefined;
}

const maxStatusLength = 16 * 1024 * 1024;
const maxSteps = 10_000;
const keptRest = 16_384;
const maxPhase = 200;
const cancelled = /context canceled|^canceled$/i;
/** What BuildKit does for itself, unless somebody waits for it. */
const uninteresting = /^\[(?:internal|auth)\]|^resolve |^importing cache|^\[[^\]]*\] FROM scratch$/;

/** Makes phases and log lines of BuildKit's progress; steps that run side by side keep their lines whole. */
export function createBuildProgress(listener: ProgressListener): BuildProgress {
  const steps = new Map<string, Step>();
  let pending: Buffer[] = [];
  let pendingLength = 0;
  let rest = '';

  function stepOf(digest: string): Step | undefined {
    const known = steps.get(digest);
    if (known || steps.size >= maxSteps) return known;
    const errorLine = createErrorLine();
    const lines = createOutputLines((line, part) => {
      const { stream, goesOn } = part;
      errorLine.see(line, part);
      listener.onLine(line, { stream: `${digest} ${stream}`, goesOn });
    });
    const step: Step = { name: '', lines, errorLine, isAnnounced: false, isDone: false, error: undefined };
    steps.set(digest, step);
    return step;
  }

  function seeVertex(vertex: z.infer<typeof Vertex>): void {
    const step = stepOf(vertex.digest);
    if (!step) return;
    step.name = vertex.name;
    if (vertex.started !== undefined) announce(step, vertex.cached === true);
    step.isDone = vertex.completed !== undefined;
    if (vertex.error) step.error ??= vertex.error;
    if (step.isDone) step.lines.end();
  }

  function announce(step: Step, isCached: boolean): void {
    if (step.isAnnounced || uninteresting.test(step.name)) return;
    step.isAnnounced = true;
    listener.onPhase(`${oneLine(step.name)}${isCached ? ' (cached)' : ''}`);
  }

  function seeLog({ vertex, stream, data }: z.infer<typeof Log>): void {
    const chunk = Buffer.from(data, 'base64');
    listener.onOutput(chunk.length);
    stepOf(vertex)?.lines.write(chunk, stream === 2 ? 'stderr' : 'stdout');
  }

  function seeWarning({ short }: z.infer<typeof Warning>): void {
    const text = oneLine(Buffer.from(short ?? '', 'base64').toString('utf8'));
    if (text !== '') listener.onLine(`warning: ${text}`, { stream: 'warnings', goesOn: false });
  }

  /** `false`: it is something else. */
  function seeStatus(text: string): boolean {
    const status = Status.safeParse(parseJson(text)).data;
    if (!status) return false;
    for (const vertex of status.vertexes ?? []) seeVertex(vertex);
    for (const log of status.logs ?? []) seeLog(log);
    for (const warning of status.warnings ?? []) seeWarning(warning);
    return true;
  }

  function seeLine(line: Buffer): void {
    const text = line.toString('utf8');
    if (text.startsWith('{') && seeStatus(text)) return;
    rest = `${rest}${text}\n`.slice(-keptRest);
  }

  function flush(): void {
    const line = Buffer.concat(pending);
    pending = [];
    pendingLength = 0;
    if (line.length > 0) seeLine(line);
  }

  return {
    write(chunk) {
      let from = 0;
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
        pending.push(chunk.subarray(from, end));
        flush();
        from = end + 1;
      }
      if (from === chunk.length) return;
      pending.push(chunk.subarray(from));
      pendingLength += chunk.length - from;
      if (pendingLength > maxStatusLength) flush();
    },
    end() {
      flush();
      for (const step of steps.values()) step.lines.end();
    },
    failed() {
      for (const { name, error, errorLine } of steps.values()) {
        if (error === undefined || cancelled.test(error)) continue;
        return { name: oneLine(name), error, telling: errorLine.get() };
      }
      return undefined;
    },
    running() {
      const open = [...steps.values()].filter((step) => step.isAnnounced && !step.isDone);
      const last = open.at(-1);
      return last && oneLine(last.name);
    },
    rest: () => rest,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > maxPhase ? `${line.slice(0, maxPhase - 1)}…` : line;
}
