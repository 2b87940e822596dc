import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { isEnd, type PushRecord } from '../../core/deploy.ts';
import type { ForgesPlace } from './killed-forge-process-fixture.ts';
import { type ExpectedRepository, placeFile } from './killed-forge-repository-fixture.ts';
import { githubUrl, startKilledGitHub } from './killed-github-fixture.ts';
import { gitlabSecret, gitlabTopic, startKilledGitLab } from './killed-gitlab-fixture.ts';
import { bundle, drained, seeded, start } from './killed-process-fixture.ts';

export interface ForgeKillOptions {
  /** `PATH` of the processes. */
  path: string;
  kills: number;
  seed: number;
  /** How many things happen on the forges. */
  moves: number;
}

/** What became of it, for a test to print. */
export interface ForgeKillReport {
  kills: number;
  told: number;
  accepted: number;
  pushes: number;
  commits: number;
}

interface Commit {
  kind: 'deploy' | 'remove';
  owner: string;
  functionNames: string[];
  intent: { buildId?: string; provenance?: { sourceCommit: string } };
}

function commitsIn(dir: string): Commit[] {
  const lines = readFileSync(join(dir, 'commits.ndjson'), 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Commit);
}

/** How many of what was accepted nobody has acted on. */
function waitingIn(dir: string): Record<string, unknown> {
  const database = new DatabaseSync(join(dir, 'builder.db'), { readOnly: true });
  try {
    const waiting = {
      deliveries: 'deliveries WHERE done = 0',
      events: 'forge_events WHERE handled = 0',
      departures: 'forge_departures',
      arrivals: 'gitlab_arrivals',
    };
    const count = (of: string) => database.prepare(`SELECT count(*) AS n FROM ${of}`).get()?.['n'];
    return Object.fromEntries(Object.entries(waiting).map(([name, of]) => [name, count(of)]));
  } finally {
    database.close();
  }
}

/** By owner and function, the commit that it is deployed at. */
function deployedBy(commits: readonly Commit[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { kind, owner, functionNames, intent } of commits) {
    for (const name of functionNames) {
      if (kind === 'remove') found.delete(`${owner}/${name}`);
      else found.set(`${owner}/${name}`, intent.provenance?.sourceCommit ?? '');
    }
  }
  return found;
}

/** Of all repositories, as they have to be. */
function expectedOf(repositories: readonly ExpectedRepository[]): Map<string, string> {
  const served = repositories.flatMap(({ whose, functionNames, head }) => {
    return whose === undefined ? [] : functionNames.map((name) => [`${whose}/${name}`, head()] as const);
  });
  return new Map(served);
}

const sorted = (map: Map<string, string>) => [...map].map(([key, value]) => `${key} ${value}`).sort();

function assertOneOutcomeEach(pushes: readonly PushRecord[], commits: readonly Commit[]): void {
  assert.equal(new Set(pushes.map(({ id }) => id)).size, pushes.length, 'a delivery has one record');
  for (const push of pushes) {
    assert.equal(push.state, 'done', `${push.id} has no outcome`);
    for (const { id, state } of push.deploys) assert.ok(isEnd(state), `${id} is ${state}`);
    const names = push.deploys.map(({ functionName }) => functionName);
    assert.equal(new Set(names).size, names.length, `${push.id} deployed a function twice`);
  }
  const builds = commits.filter(({ kind }) => kind === 'deploy').map(({ intent }) => intent.buildId);
  assert.equal(new Set(builds).size, builds.length, 'a build was committed twice');
}

function assertSettled(
  dir: string,
  repositories: readonly ExpectedRepository[],
  pushes: PushRecord[],
): number {
  const commits = commitsIn(dir);
  assertOneOutcomeEach(pushes, commits);
  assert.deepEqual(waitingIn(dir), { deliveries: 0, events: 0, departures: 0, arrivals: 0 });
  assert.deepEqual(sorted(deployedBy(commits)), sorted(expectedOf(repositories)));
  const known = new Set(pushes.map(({ after }) => after));
  for (const { id, expected } of repositories) {
    for (const commit of expected)
      assert.ok(known.has(commit), `${commit} of ${id} was accepted and is lost`);
  }
  assert.deepEqual(readdirSync(join(dir, 'work', 'builder')), []);
  return commits.length;
}

/** Far beyond what it takes; it comes to a rest after the last comparison of heads. */
const patienceMs = 120_000;

/**
 * Kills a real process again and again while repositories of GitHub and GitLab are pushed to, renamed, given away,
 * archived, deleted and taken from the App, the App is removed and installed again, and hooks come late, twice, or never.
 */
export async function killAmongForges(options: ForgeKillOptions): Promise<ForgeKillReport> {
  const dir = mkdtempSync(join(tmpdir(), 'towline-killed-forges-'));
  const random = seeded(options.seed);
  const accepted = new Set<string>();
  let running: ChildProcess | undefined;
  let port = 1;
  let moves = 0;
  await using resources = new AsyncDisposableStack();
  resources.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const around = { root: dir, random, port: () => port, accepted: (id: string) => void accepted.add(id) };
  const github = await startKilledGitHub(around);
  const gitlab = await startKilledGitLab(around);
  const forges = [resources.use(github.forge), resources.use(gitlab.forge)] as const;
  const { apiUrl, app } = github;
  const place: ForgesPlace = {
    github: { ...{ apiUrl, webUrl: githubUrl, appId: String(app.id) }, ...app },
    gitlab: { url: gitlab.url, webhookSecret: gitlabSecret, topic: gitlabTopic },
  };
  writeFileSync(join(dir, placeFile), JSON.stringify(place), { mode: 0o600 });
  const program = await bundle('killed-forge-process-fixture.ts', join(dir, 'program'));
  resources.defer(() => void running?.kill('SIGKILL'));

  async function live(): Promise<ChildProcess> {
    const started = await start(program, options.path, dir);
    running = started.child;
    port = started.port;
    return started.child;
  }

  async function moveSome(): Promise<void> {
    if (moves >= options.moves || random() > (1.2 * options.moves) / options.kills) return;
    moves += 1;
    await forges[random() < 0.5 ? 0 : 1].move();
  }

  for (let round = 1; round <= options.kills; round += 1) {
    const child = await live();
    const gone = once(child, 'exit');
    const [early, late] = [random(), random()];
    const moving = moveSome();
    // On a slow machine too, half of what is told is heard.
    await (early < 0.5 ? moving : Promise.race([moving, sleep(early * 100)]));
    if (late < 0.5) await sleep(late * 300);
    child.kill('SIGKILL');
    await Promise.all([gone, moving]);
  }
  const child = await live();
  for (const forge of forges) await forge.wakeAll();
  const repositories = () => forges.flatMap((forge) => forge.repositories());
  const end = performance.now() + patienceMs;
  for (;;) {
    for (const forge of forges) await forge.settle();
    const pushes = await drained(child);
    try {
      const commits = assertSettled(dir, repositories(), pushes);
      const told = forges.reduce((sum, forge) => sum + forge.told(), 0);
      return { kills: options.kills, told, accepted: accepted.size, pushes: pushes.length, commits };
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(100);
    }
  }
}
