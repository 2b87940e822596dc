import { render } from 'preact';
import { App } from './app.tsx';
import { ErrorNotice } from './components/error-notice.tsx';
import { openEventStream } from './data/event-stream.ts';
import { loadFirst } from './data/store.ts';
import { applyTheme } from './theme.ts';

applyTheme();
const root = document.getElementById('app');
if (root) {
  loadFirst(document.getElementById('towline-data')?.textContent).then(
    () => {
      render(<App />, root);
      openEventStream();
    },
    (error: unknown) =>
      render(
        <main class="content">
          <ErrorNotice error={error} what="The dashboard could not start." retry={() => location.reload()} />
        </main>,
        root,
      ),
  );
}
