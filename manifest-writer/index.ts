export { createManifestWriter } from './create-manifest-writer.ts';
export { createGitOpsRepository } from './repository/create-gitops-repository.ts';
export { githubAppCredentials } from './repository/github-app-credentials.ts';
