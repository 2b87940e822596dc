import { useState } from 'preact/hooks';
import type { FunctionSummary, RevertResult } from '../../../../core/api.ts';
import { apiPaths } from '../../../../core/paths.ts';
import { ChangeDialog } from '../components/change-dialog.tsx';
import { Icon } from '../components/icon.tsx';
import { toast } from '../components/toast.tsx';
import { sendJson } from '../data/api-client.ts';
import { mayChange } from '../data/store.ts';

interface DialogProps {
  summary: FunctionSummary;
  onClose: () => void;
}

function bodyOf({ environment }: FunctionSummary, reason: string): { environment: string; reason: string } {
  return { environment, reason };
}

function HoldDialog({ summary, onClose }: DialogProps) {
  const { owner, functionName: name, number } = summary;
  const send = async (reason: string) => {
    await sendJson<RevertResult>('POST', apiPaths.hold(owner, name), bodyOf(summary, reason));
    toast.value = { tone: 'ok', text: `${name} is held` };
  };
  return (
    <ChangeDialog
      title={`Hold ${name}?`}
      words="Hold"
      busyWords="Holding …"
      failed="Nothing was held."
      reasonExample="a demo is on"
      send={send}
      onClose={onClose}
    >
      <p>
        {number === null ? 'What is live' : `Deploy #${number}`} stays live. Pushes are still built, and wait;
        when the function is resumed the newest of them goes live.
      </p>
      <p class="muted">The hold is a commit in the GitOps repository, under your name.</p>
    </ChangeDialog>
  );
}

function ResumeDialog({ summary, onClose }: DialogProps) {
  const { owner, functionName: name, waiting } = summary;
  const what = waiting && `${waiting.sourceCommit.slice(0, 7)} ${waiting.sourceSubject}`;
  const send = async (reason: string) => {
    await sendJson<RevertResult>('POST', apiPaths.resume(owner, name), bodyOf(summary, reason));
    toast.value = { tone: 'ok', text: what ? `${name} is resumed: ${what} goes live` : `${name} is resumed` };
  };
  return (
    <ChangeDialog
      title={`Resume ${name}?`}
      words="Resume"
      busyWords="Resuming …"
      failed="It is still held."
      reasonExample="the demo is over"
      send={send}
      onClose={onClose}
    >
      {waiting ? (
        <p>
          <code>{waiting.sourceCommit.slice(0, 7)}</code> <strong>{waiting.sourceSubject}</strong> by{' '}
          {waiting.actor.name} waited and goes live at once.
        </p>
      ) : (
        <p>No push waits: what is live stays, and the next push goes live.</p>
      )}
    </ChangeDialog>
  );
}

/** Hold, or resume; nothing for people who may only look, and where nothing is deployed. */
export function HoldButton({ summary }: { summary: FunctionSummary }) {
  const [open, setOpen] = useState<'hold' | 'resume'>();
  const { hold, owner, serving, number } = summary;
  if (!mayChange(owner) || serving === 'Deleting' || (number === null && !hold)) return null;
  const Shown = open === 'resume' ? ResumeDialog : HoldDialog;
  return (
    <>
      <button type="button" class="button" onClick={() => setOpen(hold ? 'resume' : 'hold')}>
        <Icon name={hold ? 'resume' : 'held'} />
        {hold ? 'Resume' : 'Hold'}
      </button>
      {open && <Shown summary={summary} onClose={() => setOpen(undefined)} />}
    </>
  );
}
