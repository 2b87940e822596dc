import type { GitOpsRepository, TreeFile } from './gitops-repository.ts';
import {
  type ManifestPath,
  type ManifestReading,
  manifestPathOf,
  maxManifestBytes,
  readManifest,
  refused,
} from './read-manifest.ts';

/** One manifest as a commit has it. */
export interface Manifest {
  place: ManifestPath;
  blob: string;
  reading: ManifestReading;
}

/** What a commit asks for, by path. */
export type DesiredState = ReadonlyMap<string, Manifest>;

/** Reads what a commit asks for; manifests that `previous` has already are not read again. */
export async function readDesiredState(
  repository: GitOpsRepository,
  commit: string,
  previous: DesiredState,
  folder: string,
): Promise<DesiredState> {
  const files = manifestFiles(await repository.tenantFiles(commit), folder);
  const news = files.filter(({ file }) => previous.get(file.path)?.blob !== file.blob);
  const toRead = news.filter(({ file }) => isReadable(file)).map(({ file }) => file.blob);
  const texts = await repository.blobs([...new Set(toRead)]);
  return new Map(
    files.map(({ file, place }) => {
      const known = previous.get(file.path);
      if (known?.blob === file.blob) return [file.path, known];
      return [file.path, { place, blob: file.blob, reading: readFile(file, place, texts) }];
    }),
  );
}

function manifestFiles(files: TreeFile[], folder: string): { file: TreeFile; place: ManifestPath }[] {
  return files.flatMap((file) => {
    const place = manifestPathOf(file.path, folder);
    return place === undefined ? [] : [{ file, place }];
  });
}

function isReadable(file: TreeFile): boolean {
  return file.isFile && file.sizeBytes <= maxManifestBytes;
}

function readFile(file: TreeFile, place: ManifestPath, texts: Map<string, string>): ManifestReading {
  if (!file.isFile) return refused(place, 'a manifest is a plain file, not a link');
  const text = texts.get(file.blob);
  if (text === undefined) return refused(place, `a manifest has at most ${maxManifestBytes} bytes`);
  return readManifest(place, text);
}
