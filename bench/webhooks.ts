import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createBuilder } from '../builder/index.ts';
import {
  createMemoryEngine,
  createMemoryReconciler,
  createMemoryWriter,
  createTemplates,
} from '../builder/pipeline/platform-in-memory.test.ts';
import { TowlineError } from '../core/errors.ts';
import { createEventBus } from '../runtime/event-bus.ts';
import { createLogger } from '../runtime/logger.ts';
import { percentile, report } from './figures.ts';

/*
 * GitHub's own example push of 8 kB, signed, at a fixed rate whatever the answers take (so that waiting counts), to a
 * builder in a process of its own that is killed in the middle and started again; what wasn't answered with 202 is sent
 * again under its own id, as a redelivery is. The sources are away: every push is queued, recorded and waits. The peer
 * is a bare HTTP server that appends each body to a file and syncs it to the disk before it answers.
 */

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '30' },
    serve: { type: 'string' },
    dir: { type: 'string', default: '' },
    port: { type: 'string', default: '0' },
  },
});
const secret = 'bench-secret';
const repositories = 200;
const redeliverMs = 1000;
/** Deliveries before the measured ones, to each of both: code that has run is another than code that hasn't. */
const warmUpSeconds = 4;
const path = process.env['PATH'] ?? '/usr/bin:/bin';

function listening(port: number): void {
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMs: (user + system) / 1000 });
  });
  process.send?.({ port });
}

async function serveBuilder(dir: string, port: number): Promise<void> {
  const builder = await createBuilder(
    {
      ...{ databasePath: join(dir, 'builder.db'), logsDir: join(dir, 'logs'), workDir: join(dir, 'work') },
      ...{ webhookSecrets: [], path, buildTimeoutMs: 60_000, maxConcurrentBuilds: 2 },
      ...{ maxLogBytes: 1_000_000, maxContextBytes: 1_000_000, readyFollowTimeoutMs: 60_000 },
      forges: { github: { baseUrl: 'https://github.com', webhookSecrets: [secret] } },
    },
    {
      logger: createLogger({ level: 'error', name: 'builder' }),
      manifestWriter: createMemoryWriter().writer,
      reconciler: createMemoryReconciler().reconciler,
      events: createEventBus(),
      sourceAccess: {
        async locate() {
          throw new TowlineError('remote_unavailable', 'the sources are away');
        },
        async *heads() {},
      },
      engine: createMemoryEngine().engine,
      templates: createTemplates(dir),
      functionUrl: (owner, name) => `http://${owner}.localhost/${name}`,
    },
  );
  const server = createServer((req, res) => builder.webhook(req, res));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  // Webhooks are taken while what the former run left is taken up.
  listening((server.address() as AddressInfo).port);
  await builder.start();
}

async function servePeer(dir: string, port: number): Promise<void> {
  const file = openSync(join(dir, 'bodies'), 'a');
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    writeSync(file, Buffer.concat(chunks));
    fsyncSync(file);
    res.writeHead(202).end('{}');
  });
  server.on('close', () => closeSync(file));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  listening((server.address() as AddressInfo).port);
}

async function start(what: string, dir: string, port = 0): Promise<{ child: ChildProcess; port: number }> {
  const args = [import.meta.filename, '--serve', what, '--dir', dir, '--port', String(port)];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { PATH: path },
  });
  const [message] = await once(child, 'message');
  return { child, port: (message as { port: number }).port };
}

/** Processor time that it has used so far, in milliseconds: what it costs, whatever else runs on the machine. */
async function cpuMs({ child }: { child: ChildProcess }): Promise<number> {
  child.send('cpu');
  const [message] = await once(child, 'message');
  return (message as { cpuMs: number }).cpuMs;
}

async function end({ child }: { child: ChildProcess }): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

interface Delivery {
  id: string;
  body: string;
  signature: string;
}

type Example = Record<string, unknown> & { repository: Record<string, unknown> };

function examplePush(): Example {
  const load = createRequire(import.meta.url);
  const definitions = load('@octokit/webhooks-examples') as { name: string; examples: Example[] }[];
  const push = definitions.find(({ name }) => name === 'push')?.examples[0];
  if (!push) throw new Error('there is no example of a push');
  const commits: unknown[] = [];
  const whole = { ...push, commits };
  while (JSON.stringify(whole).length < 8000) commits.push(push['head_commit']);
  return whole;
}

const commitOf = (repository: number, index: number) =>
  createHmac('sha1', 'commit').update(`${repository} ${index}`).digest('hex');

/** The pushes of each repository are a chain, as those of one branch are. */
function createDeliveries(): (index: number) => Delivery {
  const push = examplePush();
  return (index) => {
    const [repository, step] = [index % repositories, Math.floor(index / repositories)];
    const body = JSON.stringify({
      ...push,
      ref: 'refs/heads/master',
      before: step === 0 ? '0'.repeat(40) : commitOf(repository, step - 1),
      after: commitOf(repository, step),
      repository: { ...push.repository, id: 1000 + repository },
    });
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    return { id: `${index}`.padStart(8, '0'), body, signature };
  };
}

/** Whether it was answered with 202. */
function post(port: number, agent: Agent, { id, body, signature }: Delivery): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = {
      ...{ 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      ...{ 'x-github-event': 'push', 'x-github-delivery': id, 'x-hub-signature-256': signature },
    };
    const options = { host: '127.0.0.1', port, path: '/webhooks/github', method: 'POST', headers, agent };
    const sending = request({ ...options, timeout: 10_000 }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode === 202));
      response.on('error', () => resolve(false));
    });
    sending.on('timeout', () => sending.destroy());
    sending.on('error', () => resolve(false));
    sending.end(body);
  });
}

interface Sent {
  /** Milliseconds since the start: when it was due, and when it was accepted. */
  dueAt: number;
  acceptedAt: number;
}

/** Sends at the rate, and again what was not accepted, until everything was. */
async function offer(
  port: number,
  { from, count, rate }: { from: number; count: number; rate: number },
  at?: { ms: number; run: () => Promise<void> },
) {
  const deliveryOf = createDeliveries();
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  const sent: Sent[] = [];
  let resent = 0;

  async function deliver(index: number): Promise<void> {
    const dueAt = (index * 1000) / rate;
    const delivery = deliveryOf(from + index);
    while (!(await post(port, agent, delivery))) {
      resent += 1;
      await sleep(redeliverMs * (0.5 + Math.random()));
    }
    sent.push({ dueAt, acceptedAt: elapsed() });
  }

  const interruption = at ? sleep(at.ms).then(at.run) : Promise.resolve();
  const all: Promise<void>[] = [];
  while (all.length < count) {
    const due = Math.min(count, Math.ceil((elapsed() * rate) / 1000));
    while (all.length < due) all.push(deliver(all.length));
    await sleep(1);
  }
  await Promise.all([...all, interruption]);
  agent.destroy();
  return { sent, resent };
}

const took = (sent: readonly Sent[]) => sent.map(({ dueAt, acceptedAt }) => acceptedAt - dueAt);

/** What is in the builder's database, against what was accepted. */
function count(dir: string, expected: number): { lost: number; duplicates: number } {
  const database = new DatabaseSync(join(dir, 'builder.db'), { readOnly: true });
  const one = (sql: string) => Number(Object.values(database.prepare(sql).get() ?? {})[0]);
  const distinct = one('SELECT COUNT(DISTINCT repository || ref || after_commit) FROM deliveries');
  const rows = one('SELECT COUNT(*) FROM deliveries');
  database.close();
  return { lost: expected - distinct, duplicates: rows - distinct };
}

/** In milliseconds, with the start of the process. */
const perDelivery = (total: number, deliveries: number) => Math.round((100 * total) / deliveries) / 100;

async function measure(rate: number, seconds: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'towline-bench-webhooks-'));
  try {
    const peer = await start('peer', dir);
    const warmUp = rate * warmUpSeconds;
    await offer(peer.port, { from: 0, count: warmUp, rate });
    const peerCount = rate * Math.min(seconds, 10);
    const peerSent = (await offer(peer.port, { from: warmUp, count: peerCount, rate })).sent;
    const peerCpuMs = await cpuMs(peer);
    await end(peer);

    let builder = await start('builder', dir);
    const { port } = builder;
    await offer(port, { from: 0, count: warmUp, rate });
    const startedAt = performance.now();
    const restart = { killedAt: 0, backAt: 0 };
    const total = rate * seconds;
    const killAfterMs = (seconds * 1000) / 2;
    const { sent, resent } = await offer(
      port,
      { from: warmUp, count: total, rate },
      {
        ms: killAfterMs,
        async run() {
          restart.killedAt = performance.now() - startedAt;
          await end(builder);
          builder = await start('builder', dir, port);
          restart.backAt = performance.now() - startedAt;
        },
      },
    );
    // Of the second run: its start, and half of what was offered.
    const secondCpuMs = await cpuMs(builder);
    await end(builder);
    // What was due up to a redelivery's time after the builder was back waited for the restart.
    const settledAt = restart.backAt + 2 * redeliverMs;
    const undisturbed = sent.filter(
      ({ dueAt, acceptedAt }) => acceptedAt < restart.killedAt || dueAt > settledAt,
    );
    const [ours, peers] = [took(undisturbed), took(peerSent)];
    report({
      bench: 'webhooks',
      offered_per_s: rate,
      offered: total,
      body_bytes: createDeliveries()(0).body.length,
      accepted_p50_ms: percentile(ours, 0.5),
      accepted_p99_ms: percentile(ours, 0.99),
      budget_p99_ms: 25,
      peer_p50_ms: percentile(peers, 0.5),
      peer_p99_ms: percentile(peers, 0.99),
      cpu_ms_per_delivery: perDelivery(secondCpuMs, total / 2),
      peer_cpu_ms_per_delivery: perDelivery(peerCpuMs, warmUp + peerCount),
      away_ms: Math.round(restart.backAt - restart.killedAt),
      accepted_in_time: undisturbed.length,
      sent_again: resent,
      ...count(dir, warmUp + total),
      peer: 'a bare node server that appends each body to a file and fsyncs it',
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

if (values.serve === 'builder') await serveBuilder(values.dir, Number(values.port));
else if (values.serve === 'peer') await servePeer(values.dir, Number(values.port));
else await measure(Number(values.rate), Number(values.seconds));
