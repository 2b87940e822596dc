/** What a browser brings to `/login`. */
export interface LoginCallback {
  parameters: URLSearchParams;
  /**
   * The record that this service sealed when it sent the browser to the provider (state, PKCE verifier, nonce);
   * `undefined` for providers whose login starts elsewhere.
   */
  attempt: string | undefined;
  signal: AbortSignal;
}

/** Only `identified` makes a session. The words of `refused` are shown to the person. */
export type LoginOutcome =
  | { type: 'identified'; ownerId: string }
  | { type: 'not-for-me' }
  | { type: 'refused'; status: 400 | 403 | 410 | 502; title: string; detail: string };

/** One way to prove who one is. Adapters: the one-time link; GitHub, GitLab and any OIDC provider. */
export interface IdentityProvider {
  readonly id: string;
  /** Paragraphs for the login page: how one logs in this way. */
  readonly instructions: readonly string[];
  /**
   * Where the browser is sent to begin, for providers that have such a place, with the attempt to seal.
   * `undefined`: a login by this provider begins elsewhere.
   */
  readonly begin: ((redirectUri: string) => Promise<{ url: string; attempt: string }>) | undefined;
  /** Judges what came back. Throws only for faults; a fault is never a login. */
  complete(callback: LoginCallback): Promise<LoginOutcome>;
}
