import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { access, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Clone, nodeHandler, nodeStack, sourceRepository } from '../test/e2e/git-client.ts';
import { Product } from '../test/e2e/product.ts';
import { percentile, report } from './figures.ts';

/*
 * From the end of `git push`'s upload to the first right answer at the URL, against the least that
 * could do it by hand: a bare repository on the same disk whose post-receive hook checks the files out and
 * restarts a plain node server. The peer has no history, health check, manifest or isolation.
 */

const { values } = parseArgs({ options: { n: { type: 'string', default: '20' } } });
const n = Number(values.n);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function ask(port: number, host: string, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const outgoing = request({ host: '127.0.0.1', port, path, headers: { host }, agent }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => resolve(body));
    });
    outgoing.on('error', () => resolve(undefined));
    outgoing.end();
  });
}

/** Pushes, and measures from the client's word that everything is written to the first answer that is `expected`. */
async function pushToLive(
  clone: Clone,
  answer: () => Promise<string | undefined>,
  expected: string,
): Promise<number> {
  let uploadedAt = 0;
  const push = clone.try(['push', '--progress', 'origin', 'HEAD:main'], {
    onStderr: (text) => {
      if (uploadedAt === 0 && /Writing objects: 100%.*done/.test(text)) uploadedAt = performance.now();
    },
  });
  const giveUpAt = performance.now() + 30_000;
  while ((await answer()) !== expected) {
    if (performance.now() > giveUpAt)
      throw new Error(`"${expected}" did not go live\n${(await push).stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const liveAt = performance.now();
  await push;
  return liveAt - uploadedAt;
}

async function measureTowline(): Promise<number[]> {
  await using product = await Product.start();
  using clone = await sourceRepository(product, 'demo', 'bench');
  const samples: number[] = [];
  for (let round = 0; round <= n; round += 1) {
    const text = `round ${round}`;
    await clone.commit(text, { 'stack.yml': nodeStack('hello'), 'hello/handler.js': nodeHandler(text) });
    const took = await pushToLive(
      clone,
      () => ask(product.port, `demo.localhost:${product.port}`, '/hello'),
      text,
    );
    if (round > 0) samples.push(took);
  }
  return samples;
}

const peerServer = `const { createServer } = require('node:http');
const handler = require('./hello/handler.js');
createServer((request, response) => handler({}, { status() { return this; }, succeed: (text) => response.end(text) })).listen(process.env.PORT, '127.0.0.1');
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

async function measurePeer(): Promise<number[]> {
  const dir = mkdtempSync(join(tmpdir(), 'towline-peer-'));
  const port = await freePort();
  using clone = new Clone('none');
  let server: ChildProcess | undefined;
  try {
    await clone.git('init', '-q', '-b', 'main');
    await clone.git('init', '-q', '--bare', '-b', 'main', join(dir, 'repo.git'));
    await clone.git('remote', 'add', 'origin', join(dir, 'repo.git'));
    const hook = join(dir, 'repo.git/hooks/post-receive');
    writeFileSync(
      hook,
      `#!/bin/sh\nmkdir -p ${dir}/tree && git --work-tree=${dir}/tree checkout -qf main && touch ${dir}/deployed\n`,
    );
    chmodSync(hook, 0o755);
    const samples: number[] = [];
    for (let round = 0; round <= n; round += 1) {
      const text = `round ${round}`;
      await clone.commit(text, { 'server.js': peerServer, 'hello/handler.js': nodeHandler(text) });
      const took = await pushToLive(
        clone,
        async () => {
          const body = await ask(port, 'localhost', '/');
          if (body === text || !(await restarted(dir))) return body;
          if (server) {
            server.kill('SIGKILL');
            await once(server, 'exit');
          }
          server = spawn(process.execPath, [join(dir, 'tree/server.js')], {
            env: { PORT: String(port) },
            stdio: 'ignore',
          });
          return undefined;
        },
        text,
      );
      if (round > 0) samples.push(took);
    }
    return samples;
  } finally {
    server?.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Whether the hook has checked out a new version since the last look. */
async function restarted(dir: string): Promise<boolean> {
  const marker = join(dir, 'deployed');
  try {
    await access(marker);
  } catch {
    return false;
  }
  await rm(marker);
  return true;
}

const towline = await measureTowline();
const peer = await measurePeer();
agent.destroy();
report({
  bench: 'push-to-live',
  n,
  p50_ms: percentile(towline, 0.5),
  p95_ms: percentile(towline, 0.95),
  peer: 'bare repository, post-receive checkout, plain node restart',
  peer_p50_ms: percentile(peer, 0.5),
  peer_p95_ms: percentile(peer, 0.95),
  ratio_p50: Math.round((percentile(towline, 0.5) / percentile(peer, 0.5)) * 100) / 100,
});
