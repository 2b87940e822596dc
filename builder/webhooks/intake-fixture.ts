import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { InstallationEvent, RebuildRequest } from '../../core/forge-events.ts';
import type { ForgeEvent } from '../../core/source-event.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createCustomerGate } from '../customers/customer-gate.ts';
import { openCustomers } from '../customers/open-customers.ts';
import { openDatabase } from '../deliveries/open-database.ts';
import { createSqliteArrivalStore } from './arrival-store-sqlite.ts';
import { createForgeIntake, type ForgesConfig } from './forge-intake.ts';
import type { GitOpsRepository } from './gitops-repository.ts';

export const secrets = {
  git: 'git-secret',
  github: 'github-secret',
  gitlab: 'gitlab-token',
  gitea: 'gitea-secret',
};
/** Of a signing token: its key is what is encoded. */
export const signingToken = `whsec_${Buffer.from('gitlab-signing-key').toString('base64')}`;

export const hmac = (body: string | Buffer, secret: string) =>
  createHmac('sha256', secret).update(body).digest('hex');

/** GitLab's side: answers by project id; `status` for all of them. */
export async function startGitLabApi(projects: Record<string, object> = {}) {
  const state = {
    projects,
    status: 200,
    asked: [] as { path: string; token: string | undefined }[],
    location: '',
  };
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    state.asked.push({ path, token: request.headers['private-token']?.toString() });
    const project = state.projects[path.split('/').at(-1) ?? ''];
    const status = state.status === 200 && !project ? 404 : state.status;
    const headers = state.location === '' ? {} : { location: state.location };
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(project ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ...{ state, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface IntakeOptions {
  forges?: ForgesConfig | undefined;
  databasePath?: string | undefined;
  now?: (() => number) | undefined;
  gitOps?: GitOpsRepository | undefined;
  /** Thrown by whoever would take the event. */
  fault?: (() => void) | undefined;
}

/** An intake behind a real HTTP server, and lists of what it handed on. */
export async function startIntake(options: IntakeOptions = {}) {
  const taken = {
    events: [] as ForgeEvent[],
    installations: [] as InstallationEvent[],
    rebuilds: [] as RebuildRequest[],
    strangers: [] as string[],
  };
  const logged: string[] = [];
  const logger = createLogger({ level: 'debug', name: 'test' }, { write: (line) => void logged.push(line) });
  const database = openDatabase(options.databasePath ?? ':memory:', 'FULL');
  const arrivals = createSqliteArrivalStore(database, () => {});
  const customers = await openCustomers(options.forges ?? {}, { logger, now: options.now });
  const intake = await createForgeIntake({
    customers,
    gate: createCustomerGate({ customers, ownerPath: () => undefined }),
    gitSecrets: [secrets.git],
    gitOps: options.gitOps,
    forges: options.forges ?? {
      github: { baseUrl: 'https://github.com', webhookSecrets: ['older', secrets.github] },
      gitea: { baseUrl: 'https://codeberg.example', webhookSecrets: [secrets.gitea] },
      ignoredPushers: ['towline[bot]'],
    },
    arrivals,
    onStranger: (account) => void taken.strangers.push(account),
    gitlabToken: async (path) => (path.startsWith('acme/') ? 'acme-token' : undefined),
    async accept(event) {
      options.fault?.();
      const known = taken.events.find(({ id }) => id === event.id);
      if (known) return { type: 'duplicate', id: known.id };
      taken.events.push(event);
      return {
        type: 'accepted',
        delivery: { seq: taken.events.length, event, origin: 'hook', receivedAt: 0 },
      };
    },
    async installation(event) {
      taken.installations.push(event);
    },
    async rebuild(request) {
      taken.rebuilds.push(request);
    },
    logger,
    now: options.now,
    retry: { firstMs: 1, maxMs: 2 },
  });
  intake.start();
  const server = createServer((request: IncomingMessage, response: ServerResponse) =>
    intake.handle(request, response),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/`;

  function post(forge: string, body: string | Buffer, headers: Record<string, string>): Promise<Response> {
    const all = { 'content-type': 'application/json', ...headers };
    return fetch(`${url}${forge}`, { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers: all });
  }

  return {
    ...{ taken, logged, url, post, intake, arrivals },
    /** As GitHub would send it. */
    github(event: string, payload: unknown, headers: Record<string, string> = {}): Promise<Response> {
      const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
      return post('github', body, {
        'x-github-event': event,
        'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
        'x-hub-signature-256': `sha256=${hmac(body, secrets.github)}`,
        ...headers,
      });
    },
    gitlab(payload: unknown, headers: Record<string, string> = {}): Promise<Response> {
      const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
      return post('gitlab', body, {
        'x-gitlab-event': 'Push Hook',
        'x-gitlab-token': secrets.gitlab,
        'idempotency-key': 'f5e5f430-f57b-4e6e-9fac-d9128cd7232f',
        ...headers,
      });
    },
    /** What is kept, whatever it is. */
    kept: () =>
      taken.events.length + taken.installations.length + taken.rebuilds.length + arrivals.oldest(10).length,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await intake[Symbol.asyncDispose]();
      await customers[Symbol.asyncDispose]();
      database.close();
    },
  };
}

/** The answer tells nothing, and nothing of the request, which names a shop, is kept or logged. */
export async function refused(
  intake: Awaited<ReturnType<typeof startIntake>>,
  answer: Promise<Response>,
  status = 401,
): Promise<void> {
  const response = await answer;
  assert.equal(response.status, status);
  const text = await response.text();
  assert.ok(!text.includes('shop'), text);
  assert.equal(intake.kept(), 0);
  assert.ok(!intake.logged.join('').includes('shop'));
}
