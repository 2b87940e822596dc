import { TowlineError } from '../../../core/errors.ts';
import type { RepositoryHost } from '../../../core/repository-host.ts';

/** Where forges hold the sources. */
export const noRepositories: RepositoryHost = {
  list: async () => [],
  async delete(owner, name) {
    throw new TowlineError('not_found', `there is no repository ${owner}/${name} here`, {
      hint: 'sources are kept by the forge: delete it there, and its functions go too',
    });
  },
};
