/** Whether the log view sticks to its end, and how much arrived below since it does not. */
export interface Follow {
  following: boolean;
  /** Lines that arrived while not following. */
  unseen: number;
}

export type FollowEvent =
  /** Lines were added at the end. */
  | { type: 'appended'; lines: number }
  /** The person moved up, by wheel, key, touch, scroll bar or by selecting text. */
  | { type: 'moved-up' }
  /** The person's own movement reached the end. */
  | { type: 'reached-end' }
  /** The person asked for the end. */
  | { type: 'jump' }
  /** The page was opened at a line. */
  | { type: 'opened-at-line' };

export const initialFollow: Follow = { following: true, unseen: 0 };

/** The only ways that following goes off are the person's own; appended lines never switch it. */
export function follow(state: Follow, event: FollowEvent): Follow {
  switch (event.type) {
    case 'appended':
      return state.following ? state : { following: false, unseen: state.unseen + event.lines };
    case 'moved-up':
    case 'opened-at-line':
      return state.following ? { following: false, unseen: 0 } : state;
    case 'reached-end':
    case 'jump':
      return state.following ? state : initialFollow;
  }
}

export interface ScrollPosition {
  top: number;
  viewport: number;
  content: number;
}

/** Pixels from the end that still count as the end: zoom levels give fractions. */
const endTolerance = 4;

export function isAtEnd(position: ScrollPosition): boolean {
  return position.content - position.viewport - position.top <= endTolerance;
}

/**
 * What a scroll event means. A smaller `top` is the person's movement up, unless the content became shorter
 * and the browser had to move the view (filter, wrap).
 */
export function readScroll(before: ScrollPosition, after: ScrollPosition): FollowEvent | undefined {
  const shrank = after.content < before.content || after.viewport > before.viewport;
  if (after.top < before.top - 1 && !shrank) return { type: 'moved-up' };
  if (after.top > before.top && isAtEnd(after)) return { type: 'reached-end' };
  return undefined;
}
