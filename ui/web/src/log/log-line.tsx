import type { LogLine } from '../../../../core/deploy.ts';
import { absoluteTime, clockTime } from '../format/relative-time.ts';
import { parseAnsi } from './ansi.ts';
import { memo } from './memo.ts';

interface LineProps {
  line: LogLine;
  withFunction: boolean;
  withTime: boolean;
  marked: boolean;
  onMark: (n: number) => void;
}

function Line({ line, withFunction, withTime, marked, onMark }: LineProps) {
  return (
    <div class={`log-line kind-${line.kind} ${marked ? 'marked' : ''}`}>
      <a
        class="log-number"
        href={`#L${line.n}`}
        // A hundred of them would stand in the keyboard's way; the line field above the log does the same.
        tabIndex={-1}
        title={absoluteTime(line.time)}
        onClick={(event) => {
          event.preventDefault();
          onMark(line.n);
        }}
      >
        {line.n}
      </a>
      {withTime && (
        <time class="log-time" dateTime={new Date(line.time).toISOString()}>
          {clockTime(line.time)}
        </time>
      )}
      {withFunction && <span class="log-function">{line.functionName ?? ''}</span>}
      <span class="log-text">
        {parseAnsi(line.text).map((part, index) =>
          part.classes ? (
            <span key={index} class={part.classes}>
              {part.text}
            </span>
          ) : (
            part.text
          ),
        )}
      </span>
    </div>
  );
}

interface ChunkProps {
  index: number;
  lines: readonly LogLine[];
  withFunction: boolean;
  withTime: boolean;
  /** The marked line's number if it is in this chunk, else 0. */
  marked: number;
  onMark: (n: number) => void;
}

function ChunkOfLines({ index, lines, withFunction, withTime, marked, onMark }: ChunkProps) {
  return (
    <div data-chunk={index}>
      {lines.map((line) => (
        <Line
          key={line.n}
          line={line}
          withFunction={withFunction}
          withTime={withTime}
          marked={line.n === marked}
          onMark={onMark}
        />
      ))}
    </div>
  );
}

/** Drawn again only when its lines changed: an appended line touches the last chunk alone. */
export const Chunk = memo(
  ChunkOfLines,
  (before, after) =>
    before.index === after.index &&
    before.marked === after.marked &&
    before.withFunction === after.withFunction &&
    before.lines.length === after.lines.length &&
    before.lines[0] === after.lines[0],
);
