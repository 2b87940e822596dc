import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createPlainProgress } from './plain-progress.ts';

function follow(text: string, cuts: readonly number[] = []) {
  const lines: string[] = [];
  const phases: string[] = [];
  const progress = createPlainProgress({
    onLine: (line) => lines.push(line),
    onPhase: (phase) => phases.push(phase),
  });
  const bytes = Buffer.from(text);
  let from = 0;
  for (const cut of [...cuts.map((one) => one % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    progress.write(bytes.subarray(from, cut));
    from = cut;
  }
  progress.end();
  return {
    lines,
    phases,
    failed: progress.failed(),
    lastStep: progress.lastStep(),
    complaints: progress.complaints(),
  };
}

const failing = `#1 [internal] load build definition from Dockerfile
#1 sha256:d4f0
#1 DONE 0.0s

#2 [1/2] FROM docker.io/base/shell:1
#2 CACHED

#3 [build 2/2] RUN npm test
#3 0.229 one
#3 0.300 \u001b[31mError: no such thing: ü\u001b[0m
#3 0.301 10%\r50%\r100%
#3 ERROR: executor failed running [/bin/sh -c npm test]: exit code: 3
------
 > [build 2/2] RUN npm test:
#3 0.229 one
------
executor failed running [/bin/sh -c npm test]: exit code: 3
`;

describe('the progress of docker build', () => {
  it('tells steps, output and the failure, however its text is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2000), { maxLength: 8 }), (cuts) => {
        const { lines, phases, failed, lastStep } = follow(failing, cuts);
        assert.deepEqual(lines, ['one', '\u001b[31mError: no such thing: ü\u001b[0m', '100%']);
        assert.deepEqual(phases, ['[1/2] FROM docker.io/base/shell:1 (cached)', '[build 2/2] RUN npm test']);
        assert.deepEqual(failed, {
          name: '[build 2/2] RUN npm test',
          error: 'process [/bin/sh -c npm test] did not complete successfully: exit code: 3',
          telling: 'Error: no such thing: ü',
        });
        assert.equal(lastStep, '[build 2/2] RUN npm test');
      }),
    );
  });

  it('keeps the words of the command itself, the last of them', () => {
    const many = Array.from({ length: 100 }, (_, index) => `complaint ${index}\n`).join('');
    const { complaints, failed } = follow(`${many}ERROR: Cannot connect to the Docker daemon\n`);
    assert.equal(complaints.at(-1), 'ERROR: Cannot connect to the Docker daemon');
    assert.ok(complaints.length <= 40);
    assert.equal(failed, undefined);
  });

  it('takes what a program prints for nothing else', () => {
    const step = '#1 [1/1] RUN print\n';
    const printed = ['#9 [1/1] RUN evil', '#1 ERROR: not really', 'DONE 0.1s', '------', '#1 0.5 nested'];
    const { lines, phases, failed } = follow(
      `${step}${printed.map((line) => `#1 0.100 ${line}\n`).join('')}#1 DONE 0.2s\n`,
    );
    assert.equal(lines.length, printed.length);
    assert.equal(lines[0], printed[0]);
    assert.deepEqual(phases, ['[1/1] RUN print']);
    assert.equal(follow(`${step}#1 0.1 #1 ERROR: spoofed\n#1 ERROR: real\n`).failed?.error, 'real');
    // Nothing else failed: it is asked for only if the build has.
    assert.equal(failed?.error, 'not really');
  });

  it('parts output without a line end from the state behind it', () => {
    const { lines, failed } = follow('#1 [1/1] RUN x\n#1 0.1 no end#1 DONE 0.7s\n');
    assert.deepEqual(lines, ['no end']);
    assert.equal(failed, undefined);
    assert.equal(follow('#1 [1/1] RUN x\n#1 0.1 no end#1 ERROR: bad\n').failed?.error, 'bad');
  });

  it('hands on a line without end in bounded pieces', () => {
    const { lines } = follow(`#1 [1/1] RUN x\n#1 0.1 ${'x'.repeat(100_000)}\n`);
    assert.ok(lines.every((line) => line.length <= 8192));
    assert.equal(lines.join('').replaceAll(/[^x]/g, '').length, 100_000);
  });
});
