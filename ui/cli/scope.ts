import type { Client } from './client.ts';

/** What a command works with. */
export interface Scope {
  client: Client;
  owner: string;
  json: boolean;
  /** Data for people or, with `--json`, for programs. */
  show(value: unknown, asText: () => string): void;
}

/** Makes a command's action of a function that works with a scope. */
export type WithScope = <A extends unknown[]>(
  run: (scope: Scope, ...args: A) => Promise<void>,
) => (...args: A) => Promise<void>;
