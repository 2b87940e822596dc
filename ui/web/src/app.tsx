import { useEffect } from 'preact/hooks';
import lazy, { ErrorBoundary } from 'preact-iso/lazy';
import { LocationProvider, Route, Router, useLocation } from 'preact-iso/router';
import { pagePaths } from '../../../core/paths.ts';
import { me } from './data/store.ts';
import { FunctionPage } from './pages/function-page.tsx';
import { NewPage } from './pages/new-page.tsx';
import { NotFoundPage } from './pages/not-found-page.tsx';
import { OverviewPage } from './pages/overview-page.tsx';
import { PushesPage } from './pages/pushes-page.tsx';
import { ReposPage } from './pages/repos-page.tsx';
import { Shell } from './shell.tsx';

const DeploysPage = lazy(() => import('./pages/deploys-page.tsx').then((module) => module.DeploysPage));
const LogsPage = lazy(() => import('./pages/logs-page.tsx').then((module) => module.LogsPage));
const PushPage = lazy(() => import('./pages/push-page.tsx').then((module) => module.PushPage));

/** The dashboard has one home: the person's own functions. */
function Home() {
  const { route } = useLocation();
  const own = me.value?.identity.owner;
  useEffect(() => {
    if (own) route(pagePaths.owner(own), true);
  }, [own]);
  return null;
}

export function App() {
  return (
    <LocationProvider scope={/^\/(?!api\/|git\/|~|login|logout)/}>
      <ErrorBoundary>
        <Shell>
          <Router>
            <Route path="/" component={Home} />
            <Route path="/new" component={NewPage} />
            <Route path="/:owner" component={OverviewPage} />
            <Route path="/:owner/pushes" component={PushesPage} />
            <Route path="/:owner/repos" component={ReposPage} />
            <Route path="/:owner/pushes/:id" component={PushPage} />
            <Route path="/:owner/:fn" component={FunctionPage} />
            <Route path="/:owner/:fn/deploys" component={DeploysPage} />
            <Route path="/:owner/:fn/logs" component={LogsPage} />
            <Route default component={NotFoundPage} />
          </Router>
        </Shell>
      </ErrorBoundary>
    </LocationProvider>
  );
}
