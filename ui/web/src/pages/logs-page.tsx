import { useRoute } from 'preact-iso/router';
import { apiPaths } from '../../../../core/paths.ts';
import type { LogState } from '../log/log-source.ts';
import { LogView } from '../log/log-view.tsx';
import { FunctionFrame } from './function-frame.tsx';

const shownLines = 5_000;

function emptyWords(state: LogState): string {
  return state === 'loading' || state === 'lost' ? 'Waiting for the log …' : 'It has printed nothing yet.';
}

/** What the function prints, whichever version serves. */
export function LogsPage() {
  const { owner = '', fn: name = '' } = useRoute().params;
  return (
    <FunctionFrame owner={owner} name={name} active="Logs">
      <LogView
        key={`${owner}/${name}`}
        place={{
          // Each connection tells the newest lines again: there is nothing to resume.
          stream: () => apiPaths.outputStream(owner, name, { lines: shownLines }),
          text: apiPaths.outputText(owner, name),
          fileName: `${owner}-${name}.log`,
        }}
        label={`What ${name} prints`}
        emptyWords={emptyWords}
        withTime
      />
    </FunctionFrame>
  );
}
