import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { linesOf } from './answer-lines.ts';

async function read(chunks: Buffer[], maxBytes = 1_000_000): Promise<string[]> {
  const lines: string[] = [];
  const body = (async function* () {
    yield* chunks;
  })();
  for await (const line of linesOf(body, maxBytes)) lines.push(line);
  return lines;
}

it('gives whole lines, wherever the network cuts them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\n', ''))),
      fc.array(fc.nat({ max: 20 })),
      async (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const chunks: Buffer[] = [];
        let from = 0;
        for (const cut of cuts) {
          chunks.push(bytes.subarray(from, from + cut));
          from += cut;
        }
        chunks.push(bytes.subarray(from));
        assert.deepEqual(await read(chunks), lines);
      },
    ),
  );
});

it('gives no line that was cut off', async () => {
  assert.deepEqual(await read([Buffer.from('one\ntw')]), ['one']);
});

it('does not gather a line without end', async () => {
  await assert.rejects(read([Buffer.alloc(600), Buffer.alloc(600)], 1_000), /more than 1000 bytes/);
});
