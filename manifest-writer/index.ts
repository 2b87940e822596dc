export {
  createManifestWriter,
  type ManifestWriterConfig,
  type ManifestWriterDeps,
  type ManifestWriterLimits,
} from './create-manifest-writer.ts';
export { functionOfPath } from './paths.ts';
export { readFunction } from './render/render-function.ts';
export {
  type CreateGitOpsRepositoryOptions,
  createGitOpsRepository,
} from './repository/create-gitops-repository.ts';
