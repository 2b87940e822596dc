import { once } from 'node:events';
import { createServer } from 'node:http';
import { flushCompileCache } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEventBus } from '../../runtime/event-bus.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createBuilder } from '../index.ts';
import {
  createMemoryEngine,
  createMemoryReconciler,
  createMemoryWriter,
  createSourceAccess,
  createTemplates,
  secret,
} from '../pipeline/platform-in-memory.test.ts';

/** The process that is killed: a builder whose commits are in a file. Its arguments are its folder and the `PATH` of what it starts. */
const [, , root = '', path = ''] = process.argv;
const repositories = ['shop', 'blog'];
const engine = createMemoryEngine();
const build = engine.engine.build.bind(engine.engine);
const builder = await createBuilder(
  {
    databasePath: join(root, 'builder.db'),
    logsDir: join(root, 'logs'),
    workDir: join(root, 'work'),
    webhookSecrets: [secret],
    path,
    buildTimeoutMs: 60_000,
    maxConcurrentBuilds: 2,
    maxLogBytes: 1_000_000,
    maxContextBytes: 1_000_000,
    readyFollowTimeoutMs: 60_000,
    webhookGraceMs: 100,
  },
  {
    logger: createLogger({ level: 'silent', name: 'builder' }),
    manifestWriter: createMemoryWriter(join(root, 'commits.ndjson')).writer,
    reconciler: createMemoryReconciler().reconciler,
    events: createEventBus(),
    sourceAccess: createSourceAccess(root, () => []),
    engine: {
      ...engine.engine,
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
  const found = await Promise.all(
    repositories.map((name) => builder.pushes({ owner: 'alice', repo: name, limit: 500 })),
  );
  process.send?.({ pushes: found.flat() });
});
process.send?.({ port: (server.address() as AddressInfo).port });
// Who is killed leaves none of what was compiled, unless it is told to; the next start takes a fifth less with it.
flushCompileCache();
