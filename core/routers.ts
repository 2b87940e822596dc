/** One function, and the digest that has to be served; `null`: nothing any more. */
export interface RouteTargetDigest {
  owner: string;
  /** The default one if it isn't given. */
  environment?: string | undefined;
  functionName: string;
  digest: string | null;
}

/** What one router says of its own table. */
export interface RouterAnswer {
  /** Whether it knows the function. */
  isKnown: boolean;
  /** `sha256:…` of what is served by its table; `null` if nothing is. */
  digest: string | null;
  /** Set while the table is the last good one: for how many milliseconds, and why. */
  stale: { forMs: number; cause: string } | null;
}

/** All routers that take requests now: what they route by is what "live" means. */
export interface RoutersView {
  /** `undefined`: every one routes by it. Otherwise which one does not, and why, in one line. Throws a signal's reason alone. */
  whyNotRouted(target: RouteTargetDigest, signal: AbortSignal): Promise<string | undefined>;
}
