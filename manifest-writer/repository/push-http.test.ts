import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { deployIntent, gitopsFixture, searchPath } from '../gitops-fixture.ts';
import { startGitHttpServer } from '../gitops-http-server.ts';

type Answer = (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;

const isPush = ({ method, url = '' }: IncomingMessage) =>
  method === 'POST' && url.endsWith('git-receive-pack');
const isAsk = ({ url = '' }: IncomingMessage) => url.endsWith('service=git-receive-pack');

/** A git server behind another one, which may answer in its place. */
async function frontFixture(t: TestContext) {
  const gitops = await gitopsFixture(t);
  const server = await startGitHttpServer({ root: gitops.folder, path: searchPath });
  t.after(() => server[Symbol.asyncDispose]());
  const front = { answers: (() => false) as Answer, seen: [] as string[], connections: 0 };
  const http = createServer((incoming, outgoing) => {
    front.seen.push(`${incoming.method} ${incoming.url} ${incoming.headers['user-agent']}`);
    if (front.answers(incoming, outgoing)) return;
    const { method, headers, url } = incoming;
    const onward = request(`${server.url}${url}`, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  http.on('connection', () => {
    front.connections += 1;
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.after(() => {
    http.close();
    http.closeAllConnections();
  });
  const { port } = http.address() as AddressInfo;
  const limits = { retryFirstMs: 10, retryMaxMs: 50 };
  const writer = await gitops.writer({ remoteUrl: `http://127.0.0.1:${port}/gitops.git`, limits });
  const deploys = async () =>
    (await gitops.git(gitops.remote, 'log', '--format=%s', 'main')).match(/^deploy\(/gm)?.length ?? 0;
  return { ...gitops, front, http, writer, deploys };
}

const patient = { onWaiting() {} };

test('many pushes ask once what the server can do and use one connection', async (t) => {
  const { front, writer, deploys } = await frontFixture(t);
  for (const source of '1234') {
    assert.equal((await writer.deploy(deployIntent({ source }))).type, 'pushed');
  }
  const ours = front.seen.filter((one) => one.includes('towline'));
  assert.equal(ours.filter((one) => one.startsWith('GET')).length, 1);
  assert.equal(ours.filter((one) => one.startsWith('POST')).length, 4);
  assert.equal(await deploys(), 4);
});

test('a server that closes connections that are not used is asked again on a new one', async (t) => {
  const { front, http, writer, deploys } = await frontFixture(t);
  await writer.deploy(deployIntent({ source: '1' }));
  const before = front.connections;
  // It breaks off in the middle of the next request, as a server does that closes at this moment.
  let broken = 0;
  front.answers = (incoming) => {
    if (!isPush(incoming) || broken > 0) return false;
    broken += 1;
    incoming.socket.destroy();
    return true;
  };
  assert.equal((await writer.deploy(deployIntent({ source: '2' }))).type, 'pushed');
  http.closeIdleConnections();
  assert.equal((await writer.deploy(deployIntent({ source: '3' }))).type, 'pushed');
  assert.equal(broken, 1);
  assert.ok(front.connections > before);
  assert.equal(await deploys(), 3);
});

test('a gateway that fails after the push was carried out: it is found, not made twice', async (t) => {
  const { front, writer, deploys, git, remote, folder } = await frontFixture(t);
  await writer.deploy(deployIntent({ source: '1' }));
  const server = await startGitHttpServer({ root: folder, path: searchPath });
  t.after(() => server[Symbol.asyncDispose]());
  let failed = 0;
  front.answers = (incoming, outgoing) => {
    if (!isPush(incoming) || failed > 0) return false;
    failed += 1;
    const { method, headers, url } = incoming;
    const onward = request(`${server.url}${url}`, { method, headers }, (answer) => {
      answer.resume();
      answer.on('end', () => outgoing.writeHead(504).end());
    });
    incoming.pipe(onward);
    return true;
  };
  const outcome = await writer.deploy(deployIntent({ source: '2' }));
  assert.equal(outcome.type, 'pushed');
  assert.equal(failed, 1);
  assert.equal(await deploys(), 2);
  assert.equal((await git(remote, 'rev-parse', 'main')).trim(), 'commit' in outcome ? outcome.commit : '');
});

test('a gateway that fails for a while is waited out; the clone is not blamed', async (t) => {
  const { front, writer, deploys } = await frontFixture(t);
  await writer.deploy(deployIntent({ source: '1' }));
  let failing = true;
  front.answers = (incoming, outgoing) => {
    if (!isPush(incoming) || !failing) return false;
    incoming.resume();
    outgoing.writeHead(502).end();
    return true;
  };
  const waiting = Promise.withResolvers<string>();
  const outcome = writer.deploy(deployIntent({ source: '2' }), undefined, {
    onWaiting: (delay) => delay && waiting.resolve(delay.message),
  });
  assert.match(await waiting.promise, /broke off the push/);
  failing = false;
  assert.equal((await outcome).type, 'pushed');
  assert.equal(await deploys(), 2);
});

test('a gateway that takes no large requests refuses the large deploy alone', async (t) => {
  const { front, writer } = await frontFixture(t);
  await writer.deploy(deployIntent({ source: '1' }));
  front.answers = (incoming, outgoing) => {
    if (!isPush(incoming) || Number(incoming.headers['content-length']) < 20_000) return false;
    incoming.resume();
    outgoing.writeHead(413).end();
    return true;
  };
  const environment = { NOISE: Array.from({ length: 4_000 }, (_, n) => Math.sin(n).toString(36)).join('') };
  const outcomes = await Promise.all([
    writer.deploy(deployIntent({ functionName: 'first' }), undefined, patient),
    writer.deploy(deployIntent({ functionName: 'large', environment }), undefined, patient),
    writer.deploy(deployIntent({ functionName: 'last' }), undefined, patient),
  ]);
  assert.deepEqual(
    outcomes.map((one) => one.type),
    ['pushed', 'refused', 'pushed'],
  );
  assert.match(outcomes[1]?.type === 'refused' ? outcomes[1].message : '', /larger than its server takes/);
});

test('a forge whose words for a moved branch nobody knows: still a lost race, not a refusal', async (t) => {
  const { front, writer, deploys, person } = await frontFixture(t);
  await writer.deploy(deployIntent({ source: '1' }));
  const olga = await person();
  await olga.git('commit', '--quiet', '--allow-empty', '-m', 'Note');
  await olga.git('push', '--quiet');
  const line = 'ng refs/heads/main the branch is elsewhere';
  const report = `000eunpack ok\n${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`;
  let told = 0;
  front.answers = (incoming, outgoing) => {
    if (!isPush(incoming) || told > 0) return false;
    told += 1;
    incoming.resume();
    const band = `${(report.length + 5).toString(16).padStart(4, '0')}\x01${report}0000`;
    outgoing.writeHead(200, { 'content-type': 'application/x-git-receive-pack-result' }).end(band);
    return true;
  };
  assert.equal((await writer.deploy(deployIntent({ source: '2' }))).type, 'pushed');
  assert.equal(told, 1);
  assert.equal(await deploys(), 2);
});

test('a server that speaks in a way that is not known here is left to git', async (t) => {
  const { front, writer, deploys } = await frontFixture(t);
  front.answers = (incoming, outgoing) => {
    if (!isAsk(incoming) || !incoming.headers['user-agent']?.includes('towline')) return false;
    outgoing.writeHead(200).end('something else');
    return true;
  };
  for (const source of '12') {
    assert.equal((await writer.deploy(deployIntent({ source }))).type, 'pushed');
  }
  assert.equal(front.seen.filter((one) => one.includes('towline')).length, 1);
  assert.equal(await deploys(), 2);
});
