import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import type { FunctionDetail } from '../../../core/api.ts';
import { type DeployRecord, isEnd, type PushRecord } from '../../../core/deploy.ts';
import { apiPaths } from '../../../core/paths.ts';
import type { ForgeEvent, SourceRepository } from '../../../core/source-event.ts';
import { runProcess } from '../../../runtime/run-process.ts';
import type { Clone, Files } from '../../e2e/git-client.ts';
import { eventually } from '../../e2e/product.ts';
import type { Mission } from './mission.ts';

const packageDir = join(import.meta.dirname, '../../..');
const person = { name: 'Ada Lovelace', email: 'ada@example.org' };
const none = '0'.repeat(40);

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface AskOptions {
  host?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** A request to the edge, as from outside of the cluster. */
export function ask({ outside: { edge } }: Mission, path: string, options: AskOptions = {}): Promise<Answer> {
  const { host = `localhost:${edge.port}`, method = 'GET', body } = options;
  const headers = { host, ...options.headers };
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: edge.port, path, method, headers, agent: false });
    asked.on('error', reject);
    asked.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    asked.end(body);
  });
}

/** Somebody with an account and an API token. */
export interface Owner {
  slug: string;
  id: string;
  token: string;
  api<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** Asks the function through the router. */
  call(functionName: string): Promise<Answer>;
  /** What the platform says of a function. */
  detail(functionName: string): Promise<FunctionDetail>;
}

/** Makes an account as docs/install.md does, and logs in by its one-time link. */
export async function signUp(mission: Mission, slug: string, flags: readonly string[] = []): Promise<Owner> {
  const [, id = ''] = /: (\S+) /.exec(await authCommand(mission, ['create-owner', slug, ...flags])) ?? [];
  return logIn(mission, slug, id);
}

export async function logIn(mission: Mission, slug: string, id: string): Promise<Owner> {
  const link = new URL((await authCommand(mission, ['login-link', slug])).trim());
  const { headers } = await ask(mission, `${link.pathname}${link.search}`);
  let answer = await ask(mission, `${link.pathname}${link.search}`, { method: 'POST' });
  if (answer.headers['set-cookie'] === undefined) answer = { ...answer, headers };
  const cookie = (answer.headers['set-cookie'] ?? []).map((one) => one.split(';', 1)[0]).join('; ');
  assert.notEqual(cookie, '', `no session: ${answer.status} ${answer.body}`);
  const { origin } = mission.outside.edge;
  const made = await ask(mission, apiPaths.tokens(slug), {
    method: 'POST',
    headers: { cookie, origin, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'test', ttlDays: 1 }),
  });
  assert.ok(made.status < 300, `${made.status} ${made.body}`);
  const { token } = JSON.parse(made.body) as { token: string };

  async function api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await ask(mission, path, { method, headers, ...text });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body}`);
    return (answer.body === '' ? undefined : JSON.parse(answer.body)) as T;
  }
  const { edge } = mission.outside;
  return {
    ...{ slug, id, token, api },
    call: (functionName) => ask(mission, `/${functionName}`, { host: `${slug}.${edge.domain}:${edge.port}` }),
    detail: (functionName) => api<FunctionDetail>('GET', apiPaths.function(slug, functionName)),
  };
}

/** As `kubectl exec deploy/auth -- node auth/main.ts …`. */
async function authCommand(mission: Mission, args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runProcess({
    command: process.execPath,
    args: [join(packageDir, 'auth/main.ts'), ...args],
    env: mission.programs.envOf('auth'),
    timeoutMs: 30_000,
  });
  assert.equal(exitCode, 0, stderr);
  return stdout.toString();
}

/** A repository on the git host, and the host's hook. */
export interface Source {
  clone: Clone;
  repository: SourceRepository;
  /** Commits, pushes and tells the builder; gives the delivery's id. */
  push(message: string, files: Files): Promise<{ id: string; commit: string }>;
  /** Signs and sends an event; gives the answer. */
  deliver(event: ForgeEvent, secret?: string): Promise<Answer>;
  /** Tells the builder that the repository is gone. */
  deleted(): Promise<string>;
  /** From then on the hook tells another installation. */
  moveTo(mission: Mission): void;
}

export async function sourceOf(mission: Mission, owner: Owner, name: string): Promise<Source> {
  const { git } = mission.outside;
  const path = `${owner.slug}-${name}.git`;
  const cloneUrl = await git.create(path);
  const clone = await git.clone(path, person);
  const repository: SourceRepository = {
    ...{ id: `${owner.slug}-${name}`, name, owner: owner.slug, ownerId: owner.id, cloneUrl },
    ...{ defaultBranch: 'main', private: true },
  };
  const base = { scm: 'git', repository, actor: { ...person, login: 'ada' } } as const;
  let before = none;
  let told = mission;

  const deliver = (event: ForgeEvent, secret?: string) => deliverTo(told, event, secret);

  async function accepted(event: ForgeEvent): Promise<string> {
    // A host tries again while nobody answers.
    const answer = await eventually('the event to be accepted', async () => {
      const given = await deliver(event).catch(() => undefined);
      return given && given.status < 500 ? given : undefined;
    });
    assert.equal(answer.status, 202, answer.body);
    return (JSON.parse(answer.body) as { id: string }).id;
  }

  return {
    ...{ clone, repository, deliver },
    async push(message, files) {
      const commit = await clone.commit(message, files);
      await clone.git('push', '-q', 'origin', 'HEAD:main');
      const ref = 'refs/heads/main';
      const event = { ...base, type: 'push', id: randomUUID(), ref, before, after: commit } as const;
      before = commit;
      return { id: await accepted(event), commit };
    },
    moveTo(mission) {
      told = mission;
    },
    deleted: () => accepted({ ...base, type: 'repository-deleted', id: randomUUID() }),
  };
}

async function deliverTo(mission: Mission, event: ForgeEvent, secret?: string): Promise<Answer> {
  const body = JSON.stringify(event);
  const key = secret ?? (await readFile(mission.secrets.webhookSecret, 'utf8')).split('\n', 1)[0] ?? '';
  const signature = createHmac('sha256', key).update(body).digest('hex');
  const headers = {
    'content-type': 'application/json',
    'x-towline-signature-256': `sha256=${signature}`,
  };
  return ask(mission, '/webhooks/git', { method: 'POST', headers, body });
}

/** The hook of the GitOps repository's host: a person has pushed the operators' clone. */
export async function tellOfGitOps(mission: Mission): Promise<void> {
  const { gitOps, gitOpsUrl } = mission.outside;
  const answer = await deliverTo(mission, {
    ...{ scm: 'git', type: 'push', id: randomUUID(), ref: 'refs/heads/main' },
    ...{ before: none, after: await gitOps.git('rev-parse', 'HEAD') },
    repository: {
      ...{ id: 'gitops', name: 'gitops', owner: 'platform', ownerId: 'platform', cloneUrl: gitOpsUrl },
      ...{ defaultBranch: 'main', private: true },
    },
    actor: { name: 'Olga Operator', email: 'olga@example.org', login: 'olga' },
  });
  assert.equal(answer.status, 202, answer.body);
}

/** Resolves when a push has ended; fails with what it says if that takes too long. */
export async function ended(owner: Owner, id: string, withinMs = 120_000): Promise<PushRecord> {
  let last: PushRecord | undefined;
  try {
    return await eventually(
      `push ${id} to end`,
      async () => {
        last = await owner.api<PushRecord>('GET', apiPaths.push(id)).catch(() => undefined);
        return last?.state === 'done' && last.deploys.every(({ state }) => isEnd(state)) ? last : undefined;
      },
      withinMs,
    );
  } catch (cause) {
    throw new Error(`push ${id} has not ended: ${JSON.stringify(last)}`, { cause });
  }
}

/** Resolves when the API shows a function as it should; what it shows is another program's view of the cluster. */
export async function shown(
  owner: Owner,
  functionName: string,
  wanted: Partial<FunctionDetail['summary']>,
): Promise<FunctionDetail> {
  let last: FunctionDetail | undefined;
  const keys = Object.keys(wanted) as (keyof typeof wanted)[];
  return eventually(`${functionName} to be shown as it is`, async () => {
    const detail = await owner.detail(functionName);
    last = detail;
    return keys.every((key) => detail.summary[key] === wanted[key]) ? detail : undefined;
  }).catch((cause: unknown) => {
    throw new Error(`${functionName} is not ${JSON.stringify(wanted)}: ${JSON.stringify(last)}`, { cause });
  });
}

export function states({ deploys }: PushRecord): Record<string, DeployRecord['state']> {
  return Object.fromEntries(deploys.map(({ functionName, state }) => [functionName ?? '', state]));
}

export function digestOf(image: string | null | undefined): string {
  return image?.split('@')[1] ?? '';
}
