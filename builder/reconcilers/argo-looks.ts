/** The looks that Argo CD took at an Application since a follower came. */
export interface Looks {
  /** Called with each state that is seen; `lookedAt` is when the last look began. */
  see(lookedAt: string | undefined): void;
  /** There was one, of whatever commit. */
  hasLooked(): boolean;
  /** There was one that began after the follower had come: the first may have been under way by then, at an older commit. */
  hasLookedAnew(): boolean;
}

export function createLooks(): Looks {
  let last: { at: string | undefined } | undefined;
  let looks = 0;
  return {
    see(lookedAt) {
      if (last && last.at !== lookedAt) looks += 1;
      last = { at: lookedAt };
    },
    hasLooked: () => looks > 0,
    hasLookedAnew: () => looks > 1,
  };
}
