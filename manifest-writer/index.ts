export { createManifestWriter, type ManifestWriterConfig } from './create-manifest-writer.ts';
export { createEnvironments, defaultNamespace, environmentList } from './environments/environments.ts';
export { createManifestWriterCalls } from './http/manifest-writer-calls.ts';
export { PolicyConfig } from './policy/policy-config.ts';
export { createGitOpsRepository } from './repository/create-gitops-repository.ts';
export { githubAppCredentials } from './repository/github-app-credentials.ts';
export { SecretRules } from './secrets/secret-rules.ts';
