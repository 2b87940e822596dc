import type { DeployRecord, LogLine, PushRecord } from '../../core/deploy.ts';

/** What the builds of open pushes do just now, by what their logs say. */
export interface BuildPhases {
  /** The newest record of a push; it is forgotten when the push has ended. */
  keep(push: PushRecord): void;
  /** Gives the push that there is something new to tell of, if there is. */
  heard(pushId: string, line: LogLine): PushRecord | undefined;
  of(record: DeployRecord): string | undefined;
}

export function createBuildPhases(): BuildPhases {
  const open = new Map<string, { push: PushRecord; phases: Map<string, string> }>();
  return {
    keep(push) {
      if (push.state === 'done') return void open.delete(push.id);
      open.set(push.id, { push, phases: open.get(push.id)?.phases ?? new Map() });
    },
    heard(pushId, { kind, stage, functionName, text }) {
      const known = open.get(pushId);
      if (!known || kind !== 'phase' || stage !== 'build' || functionName === null) return undefined;
      // The log's lines begin with the function's name.
      const prefix = `${functionName}: `;
      known.phases.set(functionName, text.startsWith(prefix) ? text.slice(prefix.length) : text);
      return known.push;
    },
    of: ({ pushId, functionName }) =>
      functionName === null ? undefined : open.get(pushId)?.phases.get(functionName),
  };
}
