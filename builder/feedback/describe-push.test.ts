import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type DeployRecord,
  deployStages,
  deployStates,
  type LogLine,
  type PushRecord,
} from '../../core/deploy.ts';
import { errorCodes } from '../../core/errors.ts';
import { oneLine } from '../../core/one-line.ts';
import type { SourceEvent } from '../../core/source-event.ts';
import { describePush } from './describe-push.ts';
import { deployRecord, pushRecord } from './record-fixture.ts';
import { fenced, logText, quoted } from './report-text.ts';

const options = {
  origin: 'https://towline.example.org',
  functionUrl: (owner: string, name: string) => `https://${owner}.example.org/${name}`,
};

const event: SourceEvent = {
  type: 'push',
  id: 'p1',
  scm: 'github',
  repository: {
    id: '7',
    name: 'shop',
    owner: 'acme',
    ownerId: '1',
    cloneUrl: 'https://github.com/Acme/shop.git',
    defaultBranch: 'main',
    private: false,
    path: 'Acme/shop',
  },
  actor: { name: 'Alice', email: '', login: 'alice' },
  ref: 'refs/heads/main',
  before: '0'.repeat(40),
  after: 'a'.repeat(40),
};

const of = (push: PushRecord) => describePush(push, event, options);
const ofDeploy = (more: Partial<DeployRecord>) => {
  const [, report] = of(pushRecord({ deploys: [deployRecord(more)] }));
  return [report?.state, report?.text];
};

describe('what is told of a push', () => {
  it('has the words that people know, by context', () => {
    const cause = (code: 'build_failed' | 'internal' | 'build_cancelled', message: string) => ({
      code,
      message,
    });
    const rows: [Partial<DeployRecord>, string, string][] = [
      [{ state: 'queued' }, 'queued', 'Queued'],
      [{ state: 'building' }, 'running', 'Building'],
      [
        { state: 'applied', waiting: 'the Kustomization is suspended' },
        'running',
        'Rolled out, being started, waiting: the Kustomization is suspended',
      ],
      [{ state: 'live' }, 'success', 'Live in 12.3 s'],
      [
        { state: 'failed', stage: 'build', cause: cause('build_failed', 'test step, 2 failing') },
        'failure',
        'Build failed: test step, 2 failing',
      ],
      [{ state: 'failed', stage: 'commit', cause: cause('internal', 'x') }, 'error', 'Commit failed: x'],
      [
        { state: 'failed', stage: 'build', cause: cause('build_cancelled', 'stopped by Bob') },
        'cancelled',
        'Cancelled: stopped by Bob',
      ],
      [
        { state: 'held', cause: { code: 'conflict', message: 'held by alex since 2026-11-22T09:00:00Z' } },
        'neutral',
        'Built, held by alex since 2026-11-22T09:00:00Z',
      ],
      [{ state: 'superseded' }, 'cancelled', 'Superseded by a newer push'],
      [
        { state: 'skipped', cause: { code: 'conflict', message: 'this commit was replaced since' } },
        'neutral',
        'Skipped: this commit was replaced since',
      ],
      [{ state: 'removed' }, 'success', 'Removed'],
    ];
    for (const [record, state, text] of rows) assert.deepEqual(ofDeploy(record), [state, text]);
  });

  it('is a success only when all of it is live', () => {
    for (const state of deployStates) {
      const deploys = [deployRecord(), deployRecord({ id: 'd2', functionName: 'other', state })];
      const [whole] = of(pushRecord({ deploys }));
      assert.equal(whole?.state === 'success', state === 'live' || state === 'removed', state);
    }
    const [whole] = of(pushRecord({ deploys: [deployRecord(), deployRecord({ id: 'd2' })] }));
    assert.equal(whole?.text, '2 of 2 live in 12.3 s');
  });

  it('says how many pushes are before it, and in which environment it goes', () => {
    const [queued] = describePush(pushRecord({ state: 'queued' }), event, { ...options, ahead: 2 });
    assert.deepEqual([queued?.state, queued?.text], ['queued', 'Queued, 2 ahead']);
    const reports = of(pushRecord({ deploys: [deployRecord({ environment: 'staging' })] }));
    assert.deepEqual(
      reports.map(({ context }) => context),
      ['towline (staging)', 'towline/hello (staging)'],
    );
  });

  it('says what a build does just now', () => {
    const building = pushRecord({ state: 'running', deploys: [deployRecord({ state: 'building' })] });
    const [, report] = describePush(building, event, { ...options, phaseOf: () => 'install' });
    assert.equal(report?.text, 'Building: install');
  });

  it('is nothing for plain git, and for what has no commit', () => {
    assert.deepEqual(describePush(pushRecord(), { ...event, scm: 'git' }, options), []);
    assert.deepEqual(of(pushRecord({ after: '0'.repeat(40) })), []);
    assert.deepEqual(of(pushRecord({ ref: '' })), []);
  });

  it('shows names that were refused as they are written, in the whole alone', () => {
    const nasty = 'a|b `x` @everyone <img src=x>';
    const refused = {
      state: 'failed',
      stage: 'detect',
      cause: { code: 'stack_invalid', message: 'x' },
    } as const;
    const deploys = [nasty, 'x'.repeat(200), 'hello'].map((functionName, index) =>
      deployRecord({ ...(functionName === 'hello' ? {} : refused), id: `d${index}`, functionName }),
    );
    const [whole, ...others] = of(pushRecord({ deploys }));
    assert.deepEqual(
      others.map(({ context }) => context),
      ['towline/hello'],
    );
    const row = whole?.summary.split('\n').find((line) => /^\| .*everyone/.test(line));
    assert.equal(row?.split(/(?<!\\)\|/).length, 5);
    assert.match(row ?? '', /^\| (`+) a\\\|b `x` @everyone <img src=x> \1 \|/);
  });

  it('keeps to one line of 140 characters and to our own links, whatever users wrote', () => {
    const nasty = fc.string({ unit: 'grapheme', maxLength: 300 });
    const record = fc.record({
      functionName: fc.oneof(nasty, fc.constant('hello'), fc.constant(null)),
      state: fc.constantFrom(...deployStates),
      stage: fc.constantFrom(...deployStages),
      cause: fc.option(
        fc.record({
          code: fc.constantFrom(...errorCodes),
          message: nasty,
          place: fc.option(fc.record({ file: nasty, line: fc.integer({ min: 1 }) }), { nil: undefined }),
        }),
      ),
      warnings: fc.array(nasty),
    });
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 3 }),
        fc.constantFrom('queued', 'running', 'done'),
        (all, state) => {
          const deploys = all.map((each, index) => deployRecord({ ...each, id: `d${index}` }));
          for (const report of of(pushRecord({ deploys, state: state as PushRecord['state'] }))) {
            assert.ok(report.text.length <= 140);
            assert.doesNotMatch(report.text, /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
            assert.equal(report.logUrl, `${options.origin}/acme/pushes/p1`);
            assert.ok(report.annotations.length <= 50);
            assert.match(report.context, /^towline(?:\/[\w.-]{1,63})?$/);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('text of users within Markdown', () => {
  it('never ends its block', () => {
    const ticks = fc
      .array(fc.constantFrom('`', '``', '```', '````text', '\n', 'a', '~~~'))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(ticks, (text) => {
        const [first = '', ...rest] = fenced(text).split('\n');
        const fence = first.replace('text', '');
        // Only the last line closes what the first one opened.
        assert.deepEqual(
          rest.map((line) => /^ {0,3}`+\s*$/.test(line) && line.trim().length >= fence.length).indexOf(true),
          rest.length - 1,
        );
        const inline = quoted(text);
        const run = /^`+/.exec(inline)?.[0] ?? '';
        assert.ok(!inline.slice(run.length, -run.length).includes(run));
        assert.ok(!inline.includes('\n'));
      }),
      { numRuns: 500 },
    );
  });

  it('hides no direction marks and cuts no character in two', () => {
    assert.equal(oneLine('a\u202eb\r\nc\u0000d'), 'a b c d');
    assert.equal(oneLine(`${'x'.repeat(138)}😀😀`, 140), `${'x'.repeat(138)}…`);
  });

  it('shows of a log what failed first, then its end, below the limit', () => {
    const line = (n: number, text: string, kind: LogLine['kind'] = 'output'): LogLine => ({
      ...{ n, time: n, functionName: 'hello', stage: 'build', kind, text },
    });
    const lines = Array.from({ length: 20_000 }, (_, n) =>
      line(n, `\u001b[32mline ${n}\u001b[0m ${'`'.repeat(n % 9)}`),
    );
    lines.splice(5000, 0, line(0, 'hello failed at build: two tests', 'error'));
    const text = logText(lines);
    assert.ok(text.length < 60_000 && text.length > 20_000);
    assert.match(text, /^\*\*What failed\*\*\n\n`{9,}text\nline 4970/);
    assert.match(text.slice(0, 3000), /hello failed at build: two tests\n`+\n\n\*\*The log's end\*\*/);
    assert.match(text, /line 19999 `*\n`+$/);
    assert.ok(!text.includes('\u001b'));
    assert.equal(logText([]), '');
    assert.ok(logText([line(1, 'x'.repeat(100_000))]).length <= 60_000);
  });
});
