import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';
import { type FollowEvent, follow, initialFollow, readScroll, type ScrollPosition } from './follow.ts';
import { ChunkHeights, chunkSize, type LogWindow } from './window.ts';

export const lineHeight = 20;
/** Rows ready beyond the edges, so that fast scrolling shows no blank. */
const margin = 300;

interface ViewportInput {
  scroller: RefObject<HTMLElement>;
  lines: number;
  /** Changes with the buffer. */
  version: number;
  added: number;
  wrap: boolean;
  filter: string | null;
}

export interface Viewport {
  window: LogWindow;
  following: boolean;
  unseen: number;
  atEnd: boolean;
  dispatch: (event: FollowEvent) => void;
  /** Brings the line at this index of the view to a third of its height. */
  showIndex: (index: number) => void;
}

function positionOf(element: HTMLElement): ScrollPosition {
  return { top: element.scrollTop, viewport: element.clientHeight, content: element.scrollHeight };
}

/** Measures what is drawn; returns how much of the difference lies above the view, and whether there was any. */
function measureChunks(element: HTMLElement, heights: ChunkHeights): { above: number; changed: boolean } {
  const edge = element.getBoundingClientRect().top;
  let above = 0;
  let changed = false;
  for (const chunk of element.querySelectorAll<HTMLElement>('[data-chunk]')) {
    const box = chunk.getBoundingClientRect();
    const difference = heights.measure(Number(chunk.dataset['chunk']), box.height);
    if (difference === 0) continue;
    changed = true;
    if (box.bottom <= edge) above += difference;
  }
  return { above, changed };
}

/** Which part of the log is drawn, and whether the view sticks to its end. */
export function useViewport(input: ViewportInput): Viewport {
  const { scroller, lines, version, added, wrap, filter } = input;
  const heights = useRef(new ChunkHeights(lineHeight)).current;
  const last = useRef<ScrollPosition>({ top: 0, viewport: 0, content: 0 });
  const [state, dispatch] = useReducer(follow, initialFollow);
  const [view, setView] = useState({ top: 0, height: 800 });
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const target = useRef<number | null>(null);
  heights.setLines(lines);

  useEffect(() => {
    if (added > 0) dispatch({ type: 'appended', lines: added });
  }, [version]);

  useLayoutEffect(() => {
    heights.reset();
    redraw(0 as never);
  }, [wrap, filter]);

  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const onScroll = () => {
      const now = positionOf(element);
      const event = readScroll(last.current, now);
      if (event) dispatch(event);
      last.current = now;
      setView({ top: now.top, height: now.viewport });
    };
    const onWheel = (event: WheelEvent) => event.deltaY < 0 && dispatch({ type: 'moved-up' });
    const onSelect = () => {
      const selection = document.getSelection();
      if (selection && !selection.isCollapsed && element.contains(selection.anchorNode))
        dispatch({ type: 'moved-up' });
    };
    const resized = new ResizeObserver(() => {
      heights.reset();
      setView({ top: element.scrollTop, height: element.clientHeight });
    });
    element.addEventListener('scroll', onScroll, { passive: true });
    element.addEventListener('wheel', onWheel, { passive: true });
    document.addEventListener('selectionchange', onSelect);
    resized.observe(element);
    return () => {
      element.removeEventListener('scroll', onScroll);
      element.removeEventListener('wheel', onWheel);
      document.removeEventListener('selectionchange', onSelect);
      resized.disconnect();
    };
  }, []);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const { above, changed } = wrap ? measureChunks(element, heights) : { above: 0, changed: false };
    if (state.following) element.scrollTop = element.scrollHeight;
    else if (target.current !== null) settleTarget(element);
    else if (above !== 0) element.scrollTop += above;
    last.current = positionOf(element);
    if (changed || element.scrollTop !== view.top)
      setView({ top: element.scrollTop, height: element.clientHeight });
  });

  /** With wrapping the place of a line is an estimate until its chunk is drawn: go, look, go again. */
  function settleTarget(element: HTMLElement): void {
    const index = target.current ?? 0;
    const chunk = Math.floor(index / chunkSize);
    const drawn = element.querySelector<HTMLElement>(`[data-chunk="${chunk}"]`)?.children[index % chunkSize];
    if (drawn instanceof HTMLElement) {
      const offset = drawn.getBoundingClientRect().top - element.getBoundingClientRect().top;
      element.scrollTop += offset - element.clientHeight / 3;
      target.current = null;
    } else {
      element.scrollTop = heights.topOf(chunk) + (index % chunkSize) * lineHeight - element.clientHeight / 3;
    }
  }

  return {
    window: heights.windowAt(view.top, view.height, margin),
    following: state.following,
    unseen: state.unseen,
    atEnd: view.top + view.height >= heights.total(),
    dispatch,
    showIndex: (index) => {
      dispatch({ type: 'opened-at-line' });
      target.current = index;
      redraw(0 as never);
    },
  };
}
