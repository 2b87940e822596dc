import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../components/icon.tsx';
import { lineOfHash } from './log-buffer.ts';
import { Chunk } from './log-line.tsx';
import type { LogPlace, LogState } from './log-source.ts';
import { type Log, useLog } from './use-log.ts';
import { useViewport, type Viewport } from './use-viewport.ts';
import { chunkSize } from './window.ts';

const stateWords: Record<LogState, string> = {
  loading: 'Loading',
  streaming: 'Live',
  ended: 'Complete',
  lost: 'Reconnecting',
};

interface ToolbarProps {
  place: LogPlace;
  log: Log;
  wrap: boolean;
  setWrap: (wrap: boolean) => void;
  goTo: (line: number) => void;
}

function Toolbar({ place, log, wrap, setWrap, goTo }: ToolbarProps) {
  const { buffer, state } = log;
  const functions = buffer.functions;
  return (
    <div class="log-toolbar">
      <span class="muted">
        {stateWords[state]}, {buffer.total.toLocaleString('en')} {buffer.total === 1 ? 'line' : 'lines'}
      </span>
      {functions.length > 1 && (
        <select
          aria-label="Lines of"
          value={buffer.filter ?? ''}
          onChange={(event) => log.setFilter(event.currentTarget.value || null)}
        >
          <option value="">All functions</option>
          {functions.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      )}
      <form
        class="go-to-line"
        onSubmit={(event) => {
          event.preventDefault();
          const line = Number(new FormData(event.currentTarget).get('line'));
          if (line > 0) goTo(line);
        }}
      >
        <input name="line" inputMode="numeric" pattern="[0-9]*" placeholder="Line" aria-label="Go to line" />
      </form>
      <button
        type="button"
        class="button small"
        data-key="w"
        aria-pressed={wrap}
        title="Wrap long lines (w)"
        onClick={() => setWrap(!wrap)}
      >
        <Icon name="wrap" />
        Wrap
      </button>
      <a class="button small" href={place.text} download={place.fileName}>
        <Icon name="download" />
        Download
      </a>
    </div>
  );
}

function FollowButton({ viewport, ended }: { viewport: Viewport; ended: boolean }) {
  const { following, unseen, atEnd } = viewport;
  if (ended && (following || atEnd)) return null;
  if (following) return <span class="follow is-on">Following</span>;
  const lines =
    unseen === 1 ? '1 new line, jump to end' : `${unseen.toLocaleString('en')} new lines, jump to end`;
  return (
    <button type="button" class="follow" data-key="e" onClick={() => viewport.dispatch({ type: 'jump' })}>
      <Icon name="end" />
      {unseen > 0 ? lines : 'Jump to end'}
    </button>
  );
}

/** Keys that move up switch following off at once, before the scroll they cause. */
const upKeys = new Set(['ArrowUp', 'PageUp', 'Home']);

function Lines({ log, viewport, withTime, marked, onMark }: LinesProps) {
  const { shown, functions } = log.buffer;
  const { first, end, above, below } = viewport.window;
  const chunks = [];
  for (let index = first; index < end; index++) {
    const lines = shown.slice(index * chunkSize, (index + 1) * chunkSize);
    const here = lines.some((line) => line.n === marked);
    chunks.push(
      <Chunk
        key={index}
        index={index}
        lines={lines}
        withFunction={functions.length > 1}
        withTime={withTime}
        marked={here ? marked : 0}
        onMark={onMark}
      />,
    );
  }
  return <div style={{ paddingTop: `${above}px`, paddingBottom: `${below}px` }}>{chunks}</div>;
}

interface LinesProps {
  log: Log;
  viewport: Viewport;
  withTime: boolean;
  marked: number;
  onMark: (n: number) => void;
}

interface LogViewProps {
  place: LogPlace;
  /** What it is the log of. */
  label: string;
  /** Said where it has no lines. */
  emptyWords: (state: LogState) => string;
  /** It is over and failed. */
  failed?: boolean;
  /** Shows when each line came. */
  withTime?: boolean;
}

/** A log: live, of any length, every line with an address. */
export function LogView({ place, label, emptyWords, failed = false, withTime = false }: LogViewProps) {
  const log = useLog(place);
  const scroller = useRef<HTMLElement>(null);
  const [wrap, setWrap] = useState(() => matchMedia('(max-width: 640px)').matches);
  const [marked, setMarked] = useState(lineOfHash(location.hash) ?? 0);
  const wanted = useRef(lineOfHash(location.hash));
  const openedFailed = useRef(failed);
  const viewport = useViewport({
    scroller,
    lines: log.buffer.shown.length,
    version: log.version,
    added: log.added,
    wrap,
    filter: log.buffer.filter,
  });
  const goTo = (line: number) => {
    const index = log.buffer.indexOf(line);
    history.replaceState(history.state, '', `#L${line}`);
    setMarked(line);
    if (index >= 0) viewport.showIndex(index);
  };
  const mark = (line: number) => {
    history.replaceState(history.state, '', `#L${line}`);
    setMarked(line);
  };
  useEffect(() => {
    // The line of the address is shown as soon as it has arrived.
    if (wanted.current === undefined || log.buffer.lastNumber < wanted.current) return;
    viewport.showIndex(log.buffer.indexOf(wanted.current));
    wanted.current = undefined;
  }, [log.version]);
  useEffect(() => {
    // A failure that was over when the page was opened shows its first error, not its end.
    const error = log.buffer.firstError();
    if (!openedFailed.current || log.state !== 'ended' || !error || !viewport.following) return;
    viewport.showIndex(log.buffer.indexOf(error.n));
  }, [log.state]);
  useEffect(() => {
    const onHash = () => {
      const line = lineOfHash(location.hash);
      if (line !== undefined) goTo(line);
    };
    addEventListener('hashchange', onHash);
    return () => removeEventListener('hashchange', onHash);
  }, []);
  const { overflow } = log.buffer;
  return (
    <div class="log">
      <Toolbar place={place} log={log} wrap={wrap} setWrap={setWrap} goTo={goTo} />
      <div class="log-frame">
        <section
          ref={scroller}
          class={`log-scroll ${wrap ? 'wrap' : ''}`}
          aria-label={label}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must take the keyboard
          tabIndex={0}
          onKeyDown={(event) => upKeys.has(event.key) && viewport.dispatch({ type: 'moved-up' })}
        >
          {log.buffer.total === 0 && <p class="log-empty">{emptyWords(log.state)}</p>}
          <Lines log={log} viewport={viewport} withTime={withTime} marked={marked} onMark={mark} />
        </section>
        <FollowButton viewport={viewport} ended={log.state === 'ended'} />
      </div>
      {overflow > 0 && (
        <p class="muted small">{overflow.toLocaleString('en')} more lines are in the download.</p>
      )}
    </div>
  );
}
