import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { LogLine } from '../../core/deploy.ts';
import { createLogger } from '../../runtime/logger.ts';
import { outputLines } from './output-lines.ts';
import { createOutputLog, type OutputLog } from './output-log.ts';

const never = new AbortController().signal;
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function newFile(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'towline-output-'));
  folders.push(folder);
  return path.join(folder, 'alice', 'output.log');
}

function openLog(file: string, maxBytes = 1_000_000, now: () => number = () => 1_000): OutputLog {
  return createOutputLog(file, maxBytes, createLogger({ level: 'silent', name: 'test' }), now);
}

async function all(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const collected: LogLine[] = [];
  for await (const line of lines) collected.push(line);
  return collected;
}

async function textsOf(log: OutputLog, last = 100): Promise<string[]> {
  const lines = await all(outputLines(log, 'hello', { last, follow: false }, never));
  return lines.map(({ text }) => text);
}

describe('the lines a function printed', () => {
  it('have the time at which they came, each line its own, also in the file', async () => {
    const file = await newFile();
    let time = Date.parse('2026-01-02T03:04:05.678Z');
    const log = openLog(file, 1_000_000, () => time);
    log.write(Buffer.from('one\ntwo: '));
    time += 1_000;
    log.write(Buffer.from('the rest\r\nthree'));
    const lines = await all(outputLines(log, 'hello', { last: 10, follow: false }, never));
    assert.deepEqual(
      lines.map(({ n, time: at, text }) => [n, at - time, text]),
      [
        [1, -1_000, 'one'],
        [2, -1_000, 'two: the rest'],
        [3, 0, 'three'],
      ],
    );
    assert.match(
      await readFile(file, 'utf8'),
      /^2026-01-02T03:04:05\.678Z one\n2026-01-02T03:04:05\.678Z two/,
    );
  });

  it('are the newest ones, over both files', async () => {
    const log = openLog(await newFile(), 400);
    for (let i = 1; i <= 12; i++) {
      log.write(Buffer.from(`line ${i}\n`));
      await log.written();
    }
    assert.deepEqual(
      await textsOf(log, 8),
      [5, 6, 7, 8, 9, 10, 11, 12].map((i) => `line ${i}`),
    );
  });

  it('outlive the platform, and may have been printed before lines had times', async () => {
    const file = await newFile();
    await mkdir(path.dirname(file));
    await writeFile(file, 'old\n');
    const before = openLog(file);
    before.write(Buffer.from('kept\n'));
    await before.written();
    assert.deepEqual(await textsOf(openLog(file)), ['old', 'kept']);
  });

  it('are none where nothing was printed', async () => {
    assert.deepEqual(await textsOf(openLog(await newFile())), []);
  });

  it('keep bytes that are cut between two pieces whole', async () => {
    const log = openLog(await newFile());
    const bytes = Buffer.from('grün\n');
    log.write(bytes.subarray(0, 3));
    log.write(bytes.subarray(3));
    assert.deepEqual(await textsOf(log), ['grün']);
  });

  it('are cut where one is endless, and nothing is kept in memory for it', async () => {
    const log = openLog(await newFile());
    log.write(Buffer.alloc(100_000, 'x'));
    log.write(Buffer.from('\nnext\n'));
    const texts = await textsOf(log);
    assert.ok(texts.every((text) => text.length <= 16_384));
    assert.equal(texts.at(-1), 'next');
  });
});

describe('whoever follows the output', () => {
  it('gets each line once, whatever is written while the kept ones are read', async () => {
    const log = openLog(await newFile(), 100_000);
    const stop = new AbortController();
    let printed = 0;
    const print = (count: number) => {
      for (let i = 0; i < count; i++) log.write(Buffer.from(`line ${++printed}\n`));
    };
    print(50);
    const lines = outputLines(log, 'hello', { last: 10_000, follow: true }, stop.signal);
    const seen: string[] = [];
    for await (const { n, text } of lines) {
      seen.push(text);
      assert.equal(n, seen.length);
      if (printed < 500) print(7);
      if (seen.length === printed) stop.abort();
    }
    assert.deepEqual(
      seen,
      Array.from({ length: printed }, (_, index) => `line ${index + 1}`),
    );
  });

  it('is told how much was left out if it does not keep up', async () => {
    const log = openLog(await newFile(), 8_000_000);
    const stop = new AbortController();
    const lines = outputLines(log, 'hello', { last: 10, follow: true }, stop.signal);
    log.write(Buffer.from('first\n'));
    assert.equal((await lines.next()).value?.text, 'first');
    for (let i = 0; i < 5; i++) {
      log.write(Buffer.from(`${'y'.repeat(300_000)}\n`));
      await log.written();
    }
    stop.abort();
    const rest = await all(lines);
    assert.match(rest.at(-1)?.text ?? '', /^\d+ bytes were left out$/);
    assert.equal(rest.at(-1)?.kind, 'warning');
  });

  it('comes to an end when the function is gone', async () => {
    const log = openLog(await newFile());
    log.write(Buffer.from('bye\n'));
    const lines = outputLines(log, 'hello', { last: 10, follow: true }, never);
    assert.equal((await lines.next()).value?.text, 'bye');
    const end = lines.next();
    log.end();
    assert.equal((await end).done, true);
  });
});
