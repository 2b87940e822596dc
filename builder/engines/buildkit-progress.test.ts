import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createBuildProgress } from './buildkit-progress.ts';

const at = '2026-01-01T00:00:00Z';
const log = (vertex: string, text: string, stream = 1) => ({
  logs: [{ vertex, stream, data: Buffer.from(text).toString('base64') }],
});
const vertex = (digest: string, name: string, more: object = {}) => ({
  vertexes: [{ digest, name, started: at, ...more }],
});

function read(statuses: (object | string)[], cut: (text: Buffer) => Buffer[] = (text) => [text]) {
  const lines: string[] = [];
  const phases: string[] = [];
  let bytes = 0;
  const progress = createBuildProgress({
    onLine: (line) => lines.push(line),
    onPhase: (text) => phases.push(text),
    onOutput: (count) => {
      bytes += count;
    },
  });
  const text = statuses.map((status) => (typeof status === 'string' ? status : JSON.stringify(status)));
  for (const chunk of cut(Buffer.from(text.map((line) => `${line}\n`).join('')))) progress.write(chunk);
  progress.end();
  return { progress, lines, phases, bytes };
}

describe("BuildKit's progress", () => {
  it('becomes a phase for each step as it begins, without what BuildKit does for itself', () => {
    const { phases } = read([
      vertex('a', '[internal] load metadata for docker.io/library/node:24'),
      { vertexes: [{ digest: 'b', name: '[2/3] RUN npm ci' }] },
      vertex('b', '[2/3] RUN npm ci'),
      vertex('b', '[2/3] RUN npm ci', { completed: at }),
      vertex('c', '[1/3] FROM node', { cached: true, completed: at }),
      vertex('d', 'exporting to image'),
    ]);
    assert.deepEqual(phases, ['[2/3] RUN npm ci', '[1/3] FROM node (cached)', 'exporting to image']);
  });

  it('keeps the lines of steps whole that run side by side, and the two outputs of a step', () => {
    const { lines, bytes } = read([
      vertex('a', 'RUN a'),
      vertex('b', 'RUN b'),
      log('a', 'one-'),
      log('b', 'two-'),
      log('a', '!', 2),
      log('a', 'one\n'),
      log('b', 'two\n\u001b[31mred\u001b[0m\n'),
      log('a', '10 %\r100 %\n'),
    ]);
    assert.deepEqual(lines, ['one-one', 'two-two', '\u001b[31mred\u001b[0m', '100 %', '!']);
    assert.equal(bytes, 41);
  });

  it('is the same however it is cut into chunks', () => {
    const statuses = [vertex('a', 'RUN ü'), log('a', 'häse\n🐇'), 'Dockerfile:3', log('a', '\n')];
    const whole = read(statuses);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }), (sizes) => {
        const cut = (text: Buffer) => {
          const chunks: Buffer[] = [];
          for (let from = 0, i = 0; from < text.length; i += 1) {
            const size = sizes[i % sizes.length]!;
            chunks.push(text.subarray(from, from + size));
            from += size;
          }
          return chunks;
        };
        const pieces = read(statuses, cut);
        assert.deepEqual([pieces.lines, pieces.phases], [whole.lines, whole.phases]);
        assert.equal(pieces.progress.rest(), whole.progress.rest());
      }),
      { numRuns: 100 },
    );
  });

  it('knows the step that failed by itself, with its telling line, and the one that runs', () => {
    const { progress } = read([
      vertex('a', '[1/2] RUN sleep'),
      vertex('b', '[2/2] RUN npm test'),
      log('b', 'Error: no such thing\n    at x\n'),
      vertex('a', '[1/2] RUN sleep', { completed: at, error: 'context canceled' }),
      vertex('b', '[2/2] RUN npm test', { completed: at, error: 'exit code: 1' }),
      vertex('c', '[3/3] RUN still\n  going'),
    ]);
    const failed = { name: '[2/2] RUN npm test', error: 'exit code: 1', telling: 'Error: no such thing' };
    assert.deepEqual(progress.failed(), failed);
    assert.equal(progress.running(), '[3/3] RUN still going');
  });

  it('keeps what is no progress, at most its end', () => {
    const { progress, lines } = read([
      'Dockerfile:3',
      '{"no": "progress',
      'x'.repeat(40_000),
      'error: the end',
    ]);
    assert.deepEqual(lines, []);
    assert.ok(progress.rest().endsWith('x\nerror: the end\n'));
    assert.ok(progress.rest().length <= 16_384);
  });

  it('survives whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.json(), fc.constant('{"vertexes":[{}]}'))), (texts) => {
        read(texts);
      }),
      { numRuns: 300 },
    );
  });
});
