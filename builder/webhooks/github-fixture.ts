import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import type { WebhookDefinition } from '@octokit/webhooks-examples';

type Payload = Record<string, unknown>;

/** GitHub's own examples of every event; the package has data and types only. */
export const definitions = createRequire(import.meta.url)(
  '@octokit/webhooks-examples',
) as WebhookDefinition[];

/** The first example of an event, to be changed at will. */
export function githubExample(event: string, action?: string): Payload {
  const payloads = definitions.find(({ name }) => name === event)?.examples as unknown as Payload[];
  const found = payloads.find((payload) => payload['action'] === action);
  assert.ok(found, `${event}.${action}`);
  return structuredClone(found);
}
