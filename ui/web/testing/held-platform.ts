import { exampleHistory } from './example-platform.ts';
import type { StubState } from './platform-stub.ts';
import { deploy, entry, history, removal, sha } from './records.ts';

export const exampleHold = {
  by: 'lee',
  since: Date.now() - 7 * 60_000,
  reason: 'a customer demo is on until noon',
};

/** Everything that waits for a person at once: held functions, a rollback, environments, removals. */
export function everythingWaits(state: StubState): void {
  const [hello, , , report] = state.functions;
  const waiting = deploy({
    id: 'd-11',
    pushId: 'p-11',
    state: 'held',
    sourceCommit: sha('77ab0e1'),
    sourceSubject: 'Greet louder',
    number: null,
  });
  if (hello) Object.assign(hello, { status: 'Held', hold: exampleHold, waiting });
  if (report) Object.assign(report, { status: 'Held', serving: 'Degraded', hold: exampleHold });
  state.me = { ...state.me, environments: ['default', 'staging', 'production'] };
  const older = exampleHistory();
  const rollback = history({ number: 5, commit: sha('55aa'), kind: 'revert', restores: 1, current: true });
  state.history['hello'] = [
    { ...rollback, reason: '500s on /hello' },
    ...older.map((each) => ({ ...each, current: false })),
  ];
  const detail = state.details['hello'];
  if (detail) {
    detail.entry = entry({ hold: exampleHold });
    const at = { url: 'http://demo.localhost:8080/hello', reason: null };
    detail.environments = [
      {
        ...at,
        environment: 'default',
        status: 'Held',
        number: 5,
        sourceCommit: sha('a1b2c3d'),
        current: rollback,
      },
      {
        ...at,
        environment: 'staging',
        status: 'Ready',
        number: 1,
        sourceCommit: sha('77ab0e1'),
        current: older[3] ?? null,
      },
    ];
  }
  state.removals = [removal(), removal({ id: 'r-2', state: 'rejected', repo: 'old' })];
}
