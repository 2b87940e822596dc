import { useState } from 'preact/hooks';
import type { FunctionSummary, RemovalResult } from '../../../../core/api.ts';
import { apiPaths } from '../../../../core/paths.ts';
import { ChangeDialog } from '../components/change-dialog.tsx';
import { Icon } from '../components/icon.tsx';
import { toast } from '../components/toast.tsx';
import { sendJson } from '../data/api-client.ts';
import { mayChange, me } from '../data/store.ts';

interface DialogProps {
  /** A function in one environment. */
  of: Pick<FunctionSummary, 'owner' | 'functionName' | 'environment' | 'url' | 'repo'>;
  onClose: () => void;
}

/** Asks for the function's name, so that no other one goes by mistake. */
export function RemoveDialog({ of, onClose }: DialogProps) {
  const { owner, functionName: name, environment, url, repo } = of;
  const [typed, setTyped] = useState('');
  const isOneOfMany = (me.value?.environments ?? []).length > 1;
  const where = isOneOfMany ? ` from ${environment}` : '';
  const send = async (reason: string) => {
    const path = apiPaths.removeFunction(owner, name, { environment, reason });
    const { unchanged } = await sendJson<RemovalResult>('DELETE', path);
    toast.value = {
      tone: 'ok',
      text: unchanged ? `${name} was removed already` : `${name} is removed${where}`,
    };
  };
  return (
    <ChangeDialog
      title={`Remove ${name}${where}?`}
      words="Remove"
      busyWords="Removing …"
      failed="Nothing was removed."
      reasonExample="replaced by the new shop"
      danger
      disabled={typed !== name}
      send={send}
      onClose={onClose}
    >
      <p>
        It stops answering at <code>{url}</code>. Its history stays, and reverting the commit in the GitOps
        repository brings it back.
      </p>
      <p>
        Is it still in the stack.yml of <strong>{repo || 'its repository'}</strong>? Then the next push there
        deploys it again: take it out there too.
      </p>
      <label class="field">
        <span>
          Type <strong>{name}</strong> to confirm
        </span>
        <input
          type="text"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </label>
    </ChangeDialog>
  );
}

/** Nothing for people who may only look, and where nothing is deployed. */
export function RemoveButton({ summary }: { summary: FunctionSummary }) {
  const [open, setOpen] = useState(false);
  const { owner, serving, number } = summary;
  if (!mayChange(owner) || serving === 'Deleting' || number === null) return null;
  return (
    <>
      <button type="button" class="button" onClick={() => setOpen(true)}>
        <Icon name="trash" />
        Remove
      </button>
      {open && <RemoveDialog of={summary} onClose={() => setOpen(false)} />}
    </>
  );
}
