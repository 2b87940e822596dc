export { createGitHost, type GitHost, type GitHostConfig, type GitHostDeps } from './git-host.ts';
export type { GitOpsPush } from './gitops-push.ts';
export type { RefUpdate } from './hook-endpoint.ts';
export type { HostedSourceAccess } from './hosted-repositories.ts';
