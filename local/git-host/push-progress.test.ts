import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TowlineError } from '../../core/errors.ts';
import { type BuildScript, createTestbed, deployOf, type Testbed } from './testbed.ts';

const path = process.env['PATH'] ?? '';

describe('what a pusher sees', { timeout: 120_000 }, () => {
  let bed: Testbed;
  before(async () => {
    bed = await createTestbed(path, { keepaliveMs: 100 });
  });
  after(() => bed[Symbol.asyncDispose]());

  let onTerminal: (text: string) => unknown = () => undefined;

  async function pushWith(script: BuildScript): Promise<string[]> {
    bed.builds.script = script;
    const cwd = await bed.workTree('again').catch(async () => {
      const existing = `${bed.dir}/again`;
      await bed.git(['commit', '--quiet', '--allow-empty', '-m', 'Next'], { cwd: existing });
      return existing;
    });
    const result = await bed.git(['push', bed.url('alice/seen.git'), 'main'], {
      as: 'alice',
      cwd,
      onOutput: (chunk) => onTerminal(chunk.toString()),
    });
    assert.equal(result.exitCode, 0, result.stderr);
    const lines = result.stderr.replaceAll('\u001b[K', '').split('\n');
    return lines.filter((line) => line.startsWith('remote: ')).map((line) => line.slice(8).trimEnd());
  }

  const logAddress = () => `    log: ${bed.origin}/alice/pushes/${bed.webhook.pushEvents.at(-1)?.id}`;

  it('is every line of the log by its kind, then one verdict per function and the log’s address', async () => {
    const lines = await pushWith(({ event, log, done }) => {
      log({ kind: 'phase', text: 'Building with node', time: 1_300 });
      log({ text: 'added 3 packages' });
      log({ kind: 'warning', text: 'stack.yml:7: limits are capped' });
      log({ kind: 'phase', stage: 'live', functionName: 'gone', text: 'gone is removed', time: 1_900 });
      log({ text: 'still at work' });
      log({ kind: 'phase', stage: 'live', text: 'hello is live: http://…', time: 2_000 });
      done({
        deploys: [
          deployOf(event, {}),
          deployOf(event, { functionName: 'gone', state: 'removed' }),
          deployOf(event, { functionName: 'old', state: 'superseded' }),
        ],
      });
    });

    assert.deepEqual(lines.slice(1), [
      '--> hello: Building with node (0.3 s)',
      '    added 3 packages',
      'warning: hello: stack.yml:7: limits are capped',
      '--> gone is removed (0.9 s)',
      '    still at work',
      '==> hello is live: http://alice.localhost/hello (1.8 s)',
      '==> gone is removed',
      '==> old was replaced by a newer push',
      logAddress(),
    ]);
  });

  it('is the cause with its file and line when a deploy fails, and what that means', async () => {
    const place = { file: 'stack.yml', line: 3, column: 5 };
    const lines = await pushWith(({ event, log, done }) => {
      log({ kind: 'error', functionName: null, text: 'stack.yml:3:5: lang is missing' });
      const cause = {
        code: 'stack_invalid' as const,
        message: 'lang is missing',
        place,
        hint: 'add lang: node',
      };
      done({ deploys: [deployOf(event, { functionName: null, state: 'failed', stage: 'detect', cause })] });
    });

    assert.deepEqual(lines.slice(1), [
      'error: stack.yml:3:5: lang is missing',
      '==> alice/seen failed: stack.yml:3:5: lang is missing (add lang: node)',
      '    Your code is stored. What was live before stays live.',
      logAddress(),
    ]);
  });

  it('is the cause once, though the log ends with it too', async () => {
    const place = { file: 'hello/package.json', line: 2, column: 1 };
    const cause = { code: 'build_failed' as const, message: 'npm exited with 1', place, hint: 'see above' };
    const said = 'failed at build: hello/package.json:2:1: npm exited with 1 (see above)';
    const lines = await pushWith(({ event, log, done }) => {
      log({ kind: 'error', text: `hello ${said}; version 2 stays live` });
      log({ kind: 'phase', stage: 'live', functionName: 'other', text: 'other is live' });
      log({ kind: 'error', text: 'hello failed at build: for another reason' });
      done({
        deploys: [
          deployOf(event, { state: 'failed', stage: 'build', cause }),
          deployOf(event, { functionName: 'other' }),
        ],
      });
    });

    assert.deepEqual(lines.slice(1, 3), [
      'error: hello failed at build: for another reason',
      '==> hello failed: hello/package.json:2:1: npm exited with 1 (see above)',
    ]);
    assert.equal(lines.filter((line) => line.includes('npm exited with 1')).length, 1);
  });

  it('comes while the build runs, with a sign of life when nothing happens', async () => {
    const signOfLife = Promise.withResolvers<void>();
    onTerminal = (text) => text.includes('still building') && signOfLife.resolve();
    const lines = await pushWith(async ({ event, log, done }) => {
      log({ text: 'before the silence' });
      await signOfLife.promise;
      done({ deploys: [deployOf(event, {})] });
    });

    const start = lines.indexOf('    before the silence');
    assert.match(lines[start + 1] ?? '', /^ {4}still building \(\d+(\.\d)? s\)$/);
  });

  it('is cut at 300 lines of output, but never the verdict', async () => {
    const lines = await pushWith(({ event, log, done }) => {
      for (let n = 1; n <= 5_000; n += 1) log({ text: `line ${n}` });
      done({ deploys: [deployOf(event, {})] });
    });

    assert.equal(lines.filter((line) => /^ {4}line \d+$/.test(line)).length, 300);
    assert.equal(
      lines.find((line) => line.includes('more lines')),
      `    … 4,700 more lines are in the log: ${logAddress().slice(9)}`,
    );
    assert.equal(lines.at(-2), '==> hello is live: http://alice.localhost/hello (1.8 s)');
  });

  it('holds nothing that steers a terminal', async () => {
    const lines = await pushWith(({ event, log, done }) => {
      log({ text: 'a\u001b[2Jb\u001b]0;t\u0007c\rd' });
      const cause = { code: 'build_failed' as const, message: 'x\u001b[2Jy' };
      done({ deploys: [deployOf(event, { state: 'failed', cause })] });
    });

    assert.equal(lines[1], '    abcd');
    assert.equal(lines[2], '==> hello failed: xy');
  });

  it('is the verdict even if the log cannot be read', async () => {
    const log = bed.builds.log.bind(bed.builds);
    // biome-ignore lint/correctness/useYield: it fails before the first line
    bed.builds.log = async function* () {
      throw new TowlineError('not_found', 'no such log');
    };
    const lines = await pushWith(({ event, done }) => done({ deploys: [deployOf(event, {})] }));
    bed.builds.log = log;

    assert.match(lines[1] ?? '', /^==> hello is live/);
  });

  it('is told to look elsewhere when watching takes too long', async () => {
    await using patient = await createTestbed(path, { progressTimeoutMs: 50 });
    patient.builds.script = () => {};
    const cwd = await patient.workTree();

    const result = await patient.git(['push', patient.url('alice/slow.git'), 'main'], { as: 'alice', cwd });

    assert.equal(result.exitCode, 0);
    assert.match(result.stderr, /It is still going on\. Follow it at http.*\/alice\/pushes\//);
  });
});
