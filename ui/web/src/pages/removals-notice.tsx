import { useState } from 'preact/hooks';
import type { RevertResult } from '../../../../core/api.ts';
import type { PendingRemoval } from '../../../../core/manifest-writer.ts';
import { apiPaths } from '../../../../core/paths.ts';
import { ChangeDialog } from '../components/change-dialog.tsx';
import { Icon } from '../components/icon.tsx';
import { Age } from '../components/time.tsx';
import { toast } from '../components/toast.tsx';
import { sendJson } from '../data/api-client.ts';
import { mayChange, removalsByOwner } from '../data/store.ts';

interface DialogProps {
  removal: PendingRemoval;
  onClose: () => void;
}

const functions = (count: number) => (count === 1 ? '1 function' : `${count} functions`);

function ConfirmDialog({ removal, onClose }: DialogProps) {
  const { owner, id, functionNames } = removal;
  const send = async () => {
    await sendJson<RevertResult>('POST', apiPaths.confirmRemoval(owner, id), {});
    toast.value = { tone: 'ok', text: `${functions(functionNames.length)} of ${owner} are removed` };
  };
  return (
    <ChangeDialog
      title={`Remove ${functions(functionNames.length)}?`}
      words={`Remove ${functions(functionNames.length)}`}
      busyWords="Removing …"
      failed="Nothing was removed."
      danger
      send={send}
      onClose={onClose}
    >
      <p>One commit removes exactly these. Reverting that commit brings them back.</p>
      <Names removal={removal} />
    </ChangeDialog>
  );
}

function RejectDialog({ removal, onClose }: DialogProps) {
  const { owner, id, functionNames } = removal;
  const send = async () => {
    await sendJson('POST', apiPaths.rejectRemoval(owner, id), {});
    toast.value = { tone: 'ok', text: `${functions(functionNames.length)} stay` };
  };
  return (
    <ChangeDialog
      title={`Keep ${functions(functionNames.length)}?`}
      words="Keep them"
      busyWords="Keeping …"
      failed="The removal still waits."
      send={send}
      onClose={onClose}
    >
      <p>They stay, also when the same removal is asked for again. It can still be confirmed later.</p>
      <Names removal={removal} />
    </ChangeDialog>
  );
}

function Names({ removal }: { removal: PendingRemoval }) {
  return (
    <ul class="names" aria-label="Functions of the removal">
      {removal.functionNames.map((name) => (
        <li key={name}>{name}</li>
      ))}
    </ul>
  );
}

function Where({ removal }: { removal: PendingRemoval }) {
  const { owner, repo, environment } = removal;
  return (
    <>
      {owner}/{repo}
      {environment && ` in ${environment}`}
    </>
  );
}

function WaitingRemoval({ removal }: { removal: PendingRemoval }) {
  const [answer, setAnswer] = useState<'confirm' | 'reject'>();
  const { owner, functionNames, reason, actor, askedAt, limit } = removal;
  const Answer = answer === 'confirm' ? ConfirmDialog : RejectDialog;
  return (
    <section class="notice warn removal" aria-label="A removal waits for an answer">
      <Icon name="warning" class="tone-warn" />
      <div class="notice-body">
        <p>
          <strong>
            {functions(functionNames.length)} of <Where removal={removal} /> would be removed
          </strong>
          : {reason}. Asked by {actor} <Age time={askedAt} />; more than {limit} at once, over all
          repositories that leave together, need somebody's yes.
        </p>
        <details>
          <summary>Which functions</summary>
          <Names removal={removal} />
        </details>
        {mayChange(owner) && (
          <p class="answers">
            <button type="button" class="button small" onClick={() => setAnswer('confirm')}>
              <Icon name="trash" />
              Remove …
            </button>
            <button type="button" class="button small" onClick={() => setAnswer('reject')}>
              Keep them …
            </button>
          </p>
        )}
      </div>
      {answer && <Answer removal={removal} onClose={() => setAnswer(undefined)} />}
    </section>
  );
}

function RejectedRemoval({ removal }: { removal: PendingRemoval }) {
  const [open, setOpen] = useState(false);
  const { owner, functionNames, reason, askedAt } = removal;
  return (
    <li>
      {functions(functionNames.length)} of <Where removal={removal} />: {reason}, <Age time={askedAt} />
      {mayChange(owner) && (
        <button type="button" class="button small" onClick={() => setOpen(true)}>
          Remove after all …
        </button>
      )}
      {open && <ConfirmDialog removal={removal} onClose={() => setOpen(false)} />}
    </li>
  );
}

/** Large removals that wait for an answer, and those that got a no. */
export function RemovalsNotice({ owner }: { owner: string }) {
  const removals = removalsByOwner.value.get(owner) ?? [];
  const rejected = removals.filter(({ state }) => state === 'rejected');
  return (
    <>
      {removals
        .filter(({ state }) => state === 'waiting')
        .map((removal) => (
          <WaitingRemoval key={removal.id} removal={removal} />
        ))}
      {rejected.length > 0 && (
        <details class="rejected">
          <summary>
            {rejected.length === 1 ? '1 rejected removal' : `${rejected.length} rejected removals`}
          </summary>
          <ul>
            {rejected.map((removal) => (
              <RejectedRemoval key={removal.id} removal={removal} />
            ))}
          </ul>
        </details>
      )}
    </>
  );
}
