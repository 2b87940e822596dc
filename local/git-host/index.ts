export { createGitHost, type GitHost, type GitHostConfig, type GitHostDeps } from './git-host.ts';
