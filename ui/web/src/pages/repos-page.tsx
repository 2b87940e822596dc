import { useState } from 'preact/hooks';
import { useRoute } from 'preact-iso/router';
import { apiPaths, pagePaths } from '../../../../core/paths.ts';
import type { HostedRepository } from '../../../../core/repository-host.ts';
import { CopyButton } from '../components/copy.tsx';
import { Dialog } from '../components/dialog.tsx';
import { ErrorNotice } from '../components/error-notice.tsx';
import { Icon } from '../components/icon.tsx';
import { OwnerTabs, Page, Skeleton } from '../components/page.tsx';
import { Age } from '../components/time.tsx';
import { toast } from '../components/toast.tsx';
import { getJson, sendJson } from '../data/api-client.ts';
import { useResource } from '../data/resource.ts';
import { functionsByOwner } from '../data/store.ts';

interface DeleteProps {
  repository: HostedRepository;
  onClose: () => void;
  onDeleted: () => void;
}

function DeleteDialog({ repository, onClose, onDeleted }: DeleteProps) {
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const known = functionsByOwner.value.get(repository.owner) ?? [];
  const functions = known.filter((row) => row.repo === repository.name).map((row) => row.functionName);
  const remove = async (event: Event) => {
    event.preventDefault();
    if (typed !== repository.name) return;
    setBusy(true);
    try {
      await sendJson('DELETE', apiPaths.repo(repository.owner, repository.name));
      toast.value = { tone: 'ok', text: `Deleted the repository ${repository.name}` };
      onDeleted();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Delete ${repository.name}?`} onClose={onClose}>
      <form onSubmit={remove}>
        <p>
          The repository's source on this server goes, and so {functions.length === 1 ? 'does' : 'do'}{' '}
          {functions.length === 0 ? 'its functions' : 'its functions:'} {functions.join(', ')}. The history in
          the GitOps repository stays.
        </p>
        <label class="field">
          <span>
            Type <strong>{repository.name}</strong> to confirm
          </span>
          <input
            type="text"
            autocomplete="off"
            spellcheck={false}
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </label>
        {error !== undefined && <ErrorNotice error={error} what="Nothing was deleted." />}
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button danger" disabled={busy || typed !== repository.name}>
            Delete the repository
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

export function ReposPage() {
  const owner = useRoute().params['owner'] ?? '';
  const { data, error, reload } = useResource(`repos of ${owner}`, 0, (signal) =>
    getJson<HostedRepository[]>(apiPaths.repos(owner), signal),
  );
  const [deleting, setDeleting] = useState<HostedRepository | null>(null);
  return (
    <Page
      title={`Repositories of ${owner}`}
      trail={[{ text: owner, href: pagePaths.owner(owner) }, { text: 'Repositories' }]}
      tabs={<OwnerTabs owner={owner} active="Repositories" />}
    >
      {error !== undefined && (
        <ErrorNotice error={error} what="The repositories cannot be shown." retry={reload} />
      )}
      {!data && error === undefined && <Skeleton rows={3} />}
      {data?.length === 0 && (
        <div class="panel blank">
          <p>No repositories yet. The first push makes one.</p>
          <a class="button small" href={pagePaths.newFunction()}>
            How to push a function
          </a>
        </div>
      )}
      {data && data.length > 0 && (
        <ul class="panel rows" aria-label="Repositories">
          {data.map((repository) => (
            <li key={repository.name} class="row repo-row">
              <div class="cell-commit">
                <span class="name">{repository.name}</span>
                <span class="meta">
                  <code class="clone-url">{repository.cloneUrl}</code>
                  <CopyButton text={repository.cloneUrl} label={`Copy the clone URL of ${repository.name}`} />
                </span>
              </div>
              <div class="cell-when">
                <span>
                  <Icon name="branch" /> {repository.defaultBranch}
                </span>
                {repository.pushedAt === null ? (
                  <span>nothing pushed yet</span>
                ) : (
                  <span>
                    pushed <Age time={repository.pushedAt} />
                  </span>
                )}
              </div>
              <button
                type="button"
                class="button small"
                aria-label={`Delete the repository ${repository.name}`}
                onClick={() => setDeleting(repository)}
              >
                Delete
              </button>
            </li>
          ))}
        </ul>
      )}
      {deleting && (
        <DeleteDialog
          repository={deleting}
          onClose={() => setDeleting(null)}
          onDeleted={() => {
            setDeleting(null);
            reload();
          }}
        />
      )}
    </Page>
  );
}
