import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createBuildProgress } from '../engines/buildkit-progress.ts';
import { createOutputLines, type OnLine } from '../engines/output-lines.ts';
import { createPlainProgress } from '../engines/plain-progress.ts';
import { createSecretMask } from './mask-secrets.ts';

/** What a log shows of a program's output that comes in these chunks. */
function shown(values: string[], chunks: Buffer[]): string {
  const mask = createSecretMask(values);
  const lines: string[] = [];
  const keep = (line: string | undefined) => line !== undefined && lines.push(line);
  const output = createOutputLines((line, part) => keep(mask.line(line, part)));
  for (const chunk of chunks) output.write(chunk, 'stdout');
  output.end();
  lines.push(...mask.end());
  return lines.join('\n');
}

function chunked(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

interface Reader {
  /** A step prints this; `isEnd`: and a line end. */
  print(step: number, text: string, isEnd: boolean): void;
  end(): void;
}

/** `docker build --progress=plain` prints whole lines; they come in chunks. */
function plainReader(onLine: OnLine): Reader {
  const progress = createPlainProgress({ onPhase: () => {}, onLine });
  const lines = new Map<number, string>();
  progress.write(Buffer.from('#1 [1/2] RUN one\n#2 [2/2] RUN two\n'));
  return {
    print(step, text, isEnd) {
      const line = (lines.get(step) ?? `#${step} 0.229 `) + text;
      lines.set(step, line);
      if (!isEnd) return;
      lines.delete(step);
      for (const chunk of chunked(Buffer.from(`${line}\n`), [17_000, 800])) progress.write(chunk);
    },
    end: () => progress.end(),
  };
}

/** `buildctl --progress=rawjson` tells what each step writes as it comes. */
function buildkitReader(onLine: OnLine): Reader {
  const progress = createBuildProgress({ onPhase: () => {}, onOutput: () => {}, onLine });
  return {
    print(step, text, isEnd) {
      const data = Buffer.from(isEnd ? `${text}\n` : text).toString('base64');
      const status = { logs: [{ vertex: `sha256:${step}`, stream: 1, data }] };
      progress.write(Buffer.from(`${JSON.stringify(status)}\n`));
    },
    end: () => progress.end(),
  };
}

const key = [
  '-----BEGIN KEY-----',
  'MIIEvQIBADANBgkqhkiG9w0BAQEF',
  'AASCBKcwggSjAgEAAoIBAQC7',
  '-----END KEY-----',
];

describe('the mask of build secrets', () => {
  it('hides a value as it is, quoted, in a URL, in base64 and in hexadecimal, wherever it stands', () => {
    const value = 'pä"ss/wörd+1&2';
    const mask = createSecretMask([value]);
    const forms = [
      value,
      JSON.stringify(value),
      encodeURIComponent(value),
      new URLSearchParams({ v: value }).toString(),
      Buffer.from(value).toString('base64'),
      Buffer.from(value).toString('base64url'),
      Buffer.from(value).toString('hex'),
      ...['u:', 'us:', 'usr:'].map((user) => Buffer.from(`${user}${value}!!`).toString('base64')),
    ];
    for (const form of forms) {
      const line = mask.line(`\u001b[31mset ${form} now`) ?? '';
      assert.ok(line.startsWith('\u001b[31mset ') && line.endsWith(' now') && line.includes('***'), line);
      assert.ok(!line.includes(form.slice(2, -4)), line);
    }
    assert.equal(mask.line('nothing here'), 'nothing here');
  });

  it('hides each line of a value of several lines, and its wrapped base64', () => {
    const value = `${key.join('\n')}\n${'A1b2C3d4'.repeat(30)}`;
    const text = shown([value], [Buffer.from(`start\n${value}\nend\n`)]);
    assert.equal(text, 'start\n***\n***\n***\n***\n***\nend');
    const wrapped = Buffer.from(value).toString('base64').replace(/.{76}/g, '$&\n');
    const lines = shown([value], [Buffer.from(wrapped)]).split('\n');
    for (const line of lines.slice(0, -1)) assert.equal(line, '***');
  });

  it('lets no part through however the output is cut into chunks and long lines', () => {
    const value = 'S3cr3t-0123456789abcdef';
    fc.assert(
      fc.property(
        fc.integer({ min: 8100, max: 8220 }),
        fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat({ max: 40 }), { maxLength: 3 }),
        (before, sizes, gaps) => {
          const rest = gaps.map((gap) => `${'y'.repeat(gap)}${value}`).join('');
          const bytes = Buffer.from(`${'x'.repeat(before)}${value}${rest}z\nnext\n`);
          const text = shown([value], chunked(bytes, sizes)).replaceAll('\n', '');
          assert.ok(!text.includes('S3cr') && !text.includes('cdef') && text.includes('***'));
          assert.equal([...text].filter((each) => each === 'x').length, before + 1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps what another step prints apart, whatever reads the progress, at every offset', () => {
    const value = 'S3cr3t-0123456789abcdef';
    for (const [name, reader] of Object.entries({ plain: plainReader, buildkit: buildkitReader })) {
      for (let before = 8160; before <= 8200; before += 1) {
        const mask = createSecretMask([value]);
        let shown = '';
        const read = reader((line, part) => {
          shown += mask.line(line, part) ?? '';
        });
        const long = `${'x'.repeat(before)}${value}${'y'.repeat(18_000)}${value}z`;
        read.print(1, long.slice(0, before + 9), false);
        read.print(2, 'other step', true);
        read.print(1, long.slice(before + 9), true);
        read.print(2, value, true);
        read.end();
        shown += mask.end().join('');
        assert.ok(!shown.includes('S3cr') && !shown.includes('cdef'), `${name} at ${before}`);
        assert.equal(shown.split('***').length, 4, `${name} at ${before}`);
        assert.equal(shown.split('y').length, 18_001);
      }
    }
  });

  it('hides values that overlap, and keeps everything else', () => {
    const mask = createSecretMask(['abcdefghij', 'fghijklmnop', 'abcdefgh']);
    assert.equal(mask.line('1 abcdefghijklmnop 2 abcdefgh 3'), '1 *** 2 *** 3');
    const plain = createSecretMask([]);
    assert.equal(plain.line('x'.repeat(9000)), 'x'.repeat(9000));
    assert.deepEqual(plain.end(), []);
  });

  it('is not slowed down by text that begins like a value again and again', () => {
    const values = Array.from({ length: 30 }, (_, index) => `${'a'.repeat(2000)}${index}`);
    const mask = createSecretMask(values);
    const line = 'a'.repeat(8000);
    for (let count = 0; count < 20; count += 1) assert.equal(mask.line(line), line);
  });
});
