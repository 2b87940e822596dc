import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Dialog } from './dialog.tsx';
import { ErrorNotice } from './error-notice.tsx';

interface ChangeDialogProps {
  title: string;
  /** On the button that does it, and while it is being done. */
  words: string;
  busyWords: string;
  /** "Nothing was held.": before what the platform says. */
  failed: string;
  /** Asks for a reason, with this example; without it none is asked for. */
  reasonExample?: string;
  danger?: boolean;
  wide?: boolean;
  /** Not to be done yet; the button says so. */
  disabled?: boolean;
  send: (reason: string) => Promise<void>;
  onClose: () => void;
  children: ComponentChildren;
}

/** Says what a change does, asks why, does it, and shows what went wrong without closing. */
export function ChangeDialog(props: ChangeDialogProps) {
  const { reasonExample, onClose } = props;
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await props.send(reason);
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} onClose={onClose} wide={props.wide === true}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          {props.children}
          {error !== undefined && <ErrorNotice error={error} what={props.failed} />}
        </div>
        {reasonExample !== undefined && (
          <label class="field">
            <span>
              Reason <span class="muted">(optional, goes into the commit)</span>
            </span>
            <input
              type="text"
              maxLength={500}
              autocomplete="off"
              placeholder={reasonExample}
              value={reason}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          </label>
        )}
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class={`button ${props.danger ? 'danger' : 'primary'}`}
            disabled={busy || props.disabled}
          >
            {busy ? props.busyWords : props.words}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
