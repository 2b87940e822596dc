/** Every path of the platform API and the dashboard, in one place, for servers, the dashboard, the CLI and tests. */

const api = '/api/v1';
const segment = encodeURIComponent;

function withQuery(path: string, query: object): string {
  const given = Object.entries(query as Record<string, string | number | undefined>).filter(
    ([, value]) => value !== undefined && value !== '',
  );
  if (given.length === 0) return path;
  return `${path}?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}`;
}

interface InEnvironment {
  environment?: string | undefined;
}

export const apiPaths = {
  me: () => `${api}/me`,
  events: () => `${api}/events`,
  owners: () => `${api}/owners`,
  loginLinks: () => `${api}/login-links`,
  tokens: (owner: string) => `${api}/owners/${segment(owner)}/tokens`,
  token: (owner: string, id: string) => `${api}/owners/${segment(owner)}/tokens/${segment(id)}`,
  functions: (owner: string, query: InEnvironment = {}) =>
    withQuery(`${api}/owners/${segment(owner)}/functions`, query),
  function: (owner: string, name: string, query: InEnvironment = {}) =>
    withQuery(`${api}/owners/${segment(owner)}/functions/${segment(name)}`, query),
  history: (owner: string, name: string, query: InEnvironment & { limit?: number; before?: string } = {}) =>
    withQuery(`${api}/owners/${segment(owner)}/functions/${segment(name)}/history`, query),
  diff: (owner: string, name: string, query: InEnvironment & { from?: string; to: string }) =>
    withQuery(`${api}/owners/${segment(owner)}/functions/${segment(name)}/diff`, query),
  output: (owner: string, name: string, query: InEnvironment & { lines?: number } = {}) =>
    withQuery(`${api}/owners/${segment(owner)}/functions/${segment(name)}/output`, query),
  outputText: (owner: string, name: string, query: InEnvironment = {}) =>
    withQuery(`${api}/owners/${segment(owner)}/functions/${segment(name)}/output.txt`, query),
  outputStream: (owner: string, name: string, query: InEnvironment & { lines?: number } = {}) =>
    withQuery(`${api}/owners/${segment(owner)}/functions/${segment(name)}/output/stream`, query),
  revert: (owner: string, name: string) =>
    `${api}/owners/${segment(owner)}/functions/${segment(name)}/revert`,
  undo: (owner: string, name: string) => `${api}/owners/${segment(owner)}/functions/${segment(name)}/undo`,
  hold: (owner: string, name: string) => `${api}/owners/${segment(owner)}/functions/${segment(name)}/hold`,
  resume: (owner: string, name: string) =>
    `${api}/owners/${segment(owner)}/functions/${segment(name)}/resume`,
  promote: (owner: string, name: string) =>
    `${api}/owners/${segment(owner)}/functions/${segment(name)}/promote`,
  removeFunction: (owner: string, name: string, query: InEnvironment & { reason?: string } = {}) =>
    withQuery(`${api}/owners/${segment(owner)}/functions/${segment(name)}`, query),
  removeFunctions: (
    owner: string,
    query: InEnvironment & { reason?: string } & ({ repo: string } | { all: true }),
  ) => withQuery(`${api}/owners/${segment(owner)}/functions`, query),
  removals: (owner: string) => `${api}/owners/${segment(owner)}/removals`,
  confirmRemoval: (owner: string, id: string) =>
    `${api}/owners/${segment(owner)}/removals/${segment(id)}/confirm`,
  rejectRemoval: (owner: string, id: string) =>
    `${api}/owners/${segment(owner)}/removals/${segment(id)}/reject`,
  pushes: (owner: string, query: { repo?: string; limit?: number } = {}) =>
    withQuery(`${api}/owners/${segment(owner)}/pushes`, query),
  push: (id: string) => `${api}/pushes/${segment(id)}`,
  log: (id: string, query: { after?: number } = {}) => withQuery(`${api}/pushes/${segment(id)}/log`, query),
  logText: (id: string) => `${api}/pushes/${segment(id)}/log.txt`,
  logStream: (id: string, query: { after?: number } = {}) =>
    withQuery(`${api}/pushes/${segment(id)}/log/stream`, query),
  rebuild: (id: string) => `${api}/pushes/${segment(id)}/rebuild`,
  cancel: (id: string) => `${api}/pushes/${segment(id)}/cancel`,
  images: () => `${api}/images`,
  image: (id: string) => `${api}/images/${segment(id)}`,
  ciBindings: (owner: string) => `${api}/owners/${segment(owner)}/ci-bindings`,
  ciBinding: (owner: string, id: string) => `${api}/owners/${segment(owner)}/ci-bindings/${segment(id)}`,
  repos: (owner: string) => `${api}/owners/${segment(owner)}/repos`,
  repo: (owner: string, name: string) => `${api}/owners/${segment(owner)}/repos/${segment(name)}`,
};

/** Pages of the dashboard; they never change once published (dashboard-and-cli.md §5). */
export const pagePaths = {
  login: () => '/login',
  owner: (owner: string) => `/${segment(owner)}`,
  function: (owner: string, name: string) => `/${segment(owner)}/${segment(name)}`,
  deploys: (owner: string, name: string) => `/${segment(owner)}/${segment(name)}/deploys`,
  logs: (owner: string, name: string) => `/${segment(owner)}/${segment(name)}/logs`,
  push: (owner: string, id: string) => `/${segment(owner)}/pushes/${segment(id)}`,
  pushes: (owner: string) => `/${segment(owner)}/pushes`,
  newFunction: () => '/new',
};
