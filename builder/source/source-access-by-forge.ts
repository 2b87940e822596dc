import { TowlineError } from '../../core/errors.ts';
import type { SourceEvent } from '../../core/source-event.ts';
import type { SourceAccess } from './source-access.ts';

/** Asks the one that an event's forge stands for; a forge that isn't configured serves nothing. */
export function createSourceAccessByForge(
  forges: Partial<Record<SourceEvent['scm'], SourceAccess | undefined>>,
): SourceAccess {
  return {
    async locate(repository, origin) {
      const access = forges[origin.scm];
      if (access) return access.locate(repository, origin);
      throw new TowlineError('source_unavailable', `this platform serves no repositories of ${origin.scm}`);
    },
    async *heads(isDeployed, options) {
      for (const access of Object.values(forges)) yield* access?.heads(isDeployed, options) ?? [];
    },
  };
}
