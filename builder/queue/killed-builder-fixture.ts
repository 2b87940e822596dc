import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isEnd, type PushRecord } from '../../core/deploy.ts';
import type { PushEvent } from '../../core/source-event.ts';
import {
  createRepository,
  git,
  sign,
  stackFiles,
  type TestRepository,
} from '../pipeline/platform-in-memory.test.ts';
import { bundle, drained, oneOf, seeded, start } from './killed-process-fixture.ts';

const commitsFile = 'commits.ndjson';
const repositoryNames = ['shop', 'blog'];

export interface KillOptions {
  /** `PATH` of the processes. */
  path: string;
  kills: number;
  seed: number;
  /** Deliveries are sent in this many of the first rounds, so that the last ones only recover. */
  pushes: number;
}

/** What became of it, for a test to print. */
export interface KillReport {
  kills: number;
  accepted: number;
  sent: number;
  commits: number;
}

/** The id of the delivery, if it was accepted or was so before. */
async function post(port: number, event: PushEvent): Promise<string | undefined> {
  const body = JSON.stringify(event);
  const headers = { 'content-type': 'application/json', 'x-towline-signature-256': sign(body) };
  try {
    const response = await fetch(`http://127.0.0.1:${port}/webhooks/git`, { method: 'POST', headers, body });
    return response.status === 202 ? ((await response.json()) as { id: string }).id : undefined;
  } catch {
    return undefined;
  }
}

function assertDone(
  dir: string,
  repositories: TestRepository[],
  pushes: PushRecord[],
  accepted: Set<string>,
) {
  const commits = readFileSync(join(dir, commitsFile), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const builds = commits.map((commit) => commit.intent.buildId);
  assert.equal(new Set(builds).size, builds.length, 'a build was committed twice');
  const known = new Map(pushes.map((push) => [push.id, push]));
  assert.equal(known.size, pushes.length, 'a delivery has one record');
  for (const id of accepted) assert.ok(known.has(id), `${id} was accepted and is lost`);
  for (const push of pushes) {
    assert.equal(push.state, 'done', `${push.id} has no outcome`);
    for (const deploy of push.deploys) assert.ok(isEnd(deploy.state), `${deploy.id} is ${deploy.state}`);
    const names = push.deploys.map(({ functionName }) => functionName);
    assert.equal(new Set(names).size, names.length, `${push.id} deployed a function twice`);
  }
  for (const repo of repositories) {
    for (const functionName of [`${repo.repository.name}-a`, `${repo.repository.name}-b`]) {
      const last = commits.findLast((commit) => commit.functionNames.includes(functionName));
      assert.equal(last?.intent.provenance.sourceCommit, repo.head(), `${functionName} is not at its head`);
    }
  }
  assert.deepEqual(readdirSync(join(dir, 'work', 'builder')), []);
  return commits.length;
}

/** The next move of a branch: mostly a new commit, at times a forced way back. */
function move(repo: TestRepository, random: () => number, count: number): PushEvent {
  const before = repo.head();
  if (count > 3 && random() < 0.15) {
    git(repo.dir, 'reset', '--quiet', '--hard', 'HEAD~1');
    return repo.event(before, repo.head());
  }
  const { name } = repo.repository;
  return repo.commit(stackFiles({ [`${name}-a`]: `a ${count}`, [`${name}-b`]: `b ${count}` }));
}

/**
 * Kills a real process again and again, while it starts, accepts, builds, commits, follows or does nothing, and sends it
 * pushes, some of them late, twice, or never.
 */
export async function killAgainAndAgain(options: KillOptions): Promise<KillReport> {
  const dir = mkdtempSync(join(tmpdir(), 'towline-killed-'));
  const random = seeded(options.seed);
  const repositories = repositoryNames.map((name) => createRepository(dir, 'alice', name));
  const accepted = new Set<string>();
  const late: PushEvent[] = [];
  const all: PushEvent[] = [];
  let running: ChildProcess | undefined;

  async function send(port: number, event: PushEvent): Promise<void> {
    const id = await post(port, event);
    if (id !== undefined) accepted.add(id);
    // As a forge does: what was not accepted comes again.
    else late.push(event);
  }

  async function sendSome(port: number, round: number): Promise<void> {
    for (const event of late.splice(0, 2)) await send(port, event);
    if (all.length < options.pushes && random() < (1.2 * options.pushes) / options.kills) {
      const repo = oneOf(repositories, random);
      const event = move(repo, random, round);
      all.push(event);
      const fate = random();
      if (fate < 0.1) late.push(event);
      else await send(port, event);
      if (fate > 0.9) await send(port, oneOf(all, random));
    }
  }

  try {
    const program = await bundle('killed-builder-process-fixture.ts', join(dir, 'program'));
    for (const repo of repositories) all.push(move(repo, random, 0));
    late.push(...all);
    for (let round = 1; round <= options.kills; round += 1) {
      const { child, port } = await start(program, options.path, dir);
      running = child;
      const gone = once(child, 'exit');
      const sending = sendSome(port, round);
      await Promise.race([sending, sleep(random() * 60)]);
      if (random() < 0.5) await sleep(random() * 150);
      child.kill('SIGKILL');
      await Promise.all([gone, sending]);
    }
    const { child, port } = await start(program, options.path, dir);
    running = child;
    while (late.length > 0) await sendSome(port, options.kills);
    const commits = assertDone(dir, repositories, await drained(child), accepted);
    return { kills: options.kills, accepted: accepted.size, sent: all.length, commits };
  } finally {
    running?.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
