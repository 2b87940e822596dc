import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { flushCompileCache } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEventBus } from '../../runtime/event-bus.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createBuilder, createGitHubApp } from '../index.ts';
import {
  createMemoryEngine,
  createMemoryReconciler,
  createMemoryWriter,
  createTemplates,
  secret,
} from '../pipeline/platform-in-memory.test.ts';
import type { KnownRepository, SourceAccess } from '../source/source-access.ts';
import { ownerFile, placeFile } from './killed-forge-repository-fixture.ts';

/** Where the process that is killed finds its forges; a key is in it, so it is handed over in a file. */
export interface ForgesPlace {
  github: { apiUrl: string; webUrl: string; appId: string; privateKey: string; webhookSecret: string };
  gitlab: { url: string; webhookSecret: string; topic: string };
}

/** A builder of two forges, whose commits are in a file. Its arguments are its folder and the `PATH` of what it starts. */
const [, , root = '', path = ''] = process.argv;
const { github, gitlab } = JSON.parse(readFileSync(join(root, placeFile), 'utf8')) as ForgesPlace;
const owners = ['acme', 'beta', 'acme-red', 'acme-blue'];

const dirOf = ({ scm, repository }: KnownRepository) => join(root, scm, repository.id);

/** `undefined`: there is none, or it is not shown to its former owner. */
function headOf(known: KnownRepository): string | undefined {
  const folder = join(dirOf(known), '.git');
  try {
    if (readFileSync(join(folder, ownerFile), 'utf8') !== known.repository.ownerId) return undefined;
    return readFileSync(join(folder, 'refs', 'heads', 'main'), 'utf8').trim();
  } catch {
    return undefined;
  }
}

const sourceAccess: SourceAccess = {
  locate: async (repository, { scm }) => ({ url: dirOf({ scm, repository }), env: {} }),
  async *heads(_isDeployed, { known }) {
    for (const each of known) {
      const head = headOf(each);
      if (head !== undefined) yield { ...each, branch: 'main', head };
    }
  },
};

const engine = createMemoryEngine().engine;
const build = engine.build.bind(engine);
const builder = await createBuilder(
  {
    databasePath: join(root, 'builder.db'),
    logsDir: join(root, 'logs'),
    workDir: join(root, 'work'),
    webhookSecrets: [secret],
    forges: {
      github: { baseUrl: github.webUrl, webhookSecrets: [github.webhookSecret], appId: github.appId },
      gitlab: {
        ...{ baseUrl: gitlab.url, webhookSecrets: [gitlab.webhookSecret], topic: gitlab.topic },
        paths: ['acme'],
      },
    },
    path,
    buildTimeoutMs: 60_000,
    maxConcurrentBuilds: 2,
    maxLogBytes: 1_000_000,
    maxContextBytes: 1_000_000,
    readyFollowTimeoutMs: 60_000,
    webhookGraceMs: 50,
    compareMs: 250,
    uninstallGraceMs: 200,
    retry: { firstMs: 5, maxMs: 100 },
  },
  {
    logger: createLogger({ level: 'silent', name: 'builder' }),
    manifestWriter: createMemoryWriter(join(root, 'commits.ndjson')).writer,
    reconciler: createMemoryReconciler().reconciler,
    events: createEventBus(),
    sourceAccess,
    githubApp: createGitHubApp(github),
    engine: {
      ...engine,
      build: async (request) => {
        await sleep(Math.random() * 30);
        return build(request);
      },
    },
    templates: createTemplates(root),
    functionUrl: (owner, name) => `http://${owner}.localhost/${name}`,
  },
);
const server = createServer((req, res) => builder.webhook(req, res));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
await builder.start();
process.on('message', async () => {
  await builder.drain();
  const found = await Promise.all(owners.map((owner) => builder.pushes({ owner, limit: 500 })));
  process.send?.({ pushes: found.flat() });
});
process.send?.({ port: (server.address() as AddressInfo).port });
// Who is killed leaves none of what was compiled, unless it is told to; the next start takes a fifth less with it.
flushCompileCache();
