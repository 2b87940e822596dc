import { gunzipSync } from 'node:zlib';

interface Manifest {
  config?: { digest: string };
  layers?: { digest: string }[];
  manifests?: { digest: string }[];
}

/** Everything that an image in a registry consists of; what is compressed comes uncompressed. */
export async function imageContents<T>(
  origin: string,
  image: string,
  headers: Record<string, string> = {},
): Promise<{ config: T; blobs: Buffer[] }> {
  const [, repository = '', digest = ''] = /^[^/]+\/(.+?)(?::[^:@]+)?@(.+)$/.exec(image) ?? [];
  const get = async (path: string): Promise<Buffer> => {
    const accept = [
      ...['application/vnd.oci.image.manifest.v1+json', 'application/vnd.oci.image.index.v1+json'],
      'application/vnd.docker.distribution.manifest.v2+json',
    ];
    const url = `${origin}/v2/${repository}/${path}`;
    const response = await fetch(url, { headers: { ...headers, Accept: accept.join(', ') } });
    if (!response.ok) throw new Error(`${url}: ${response.status}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
  };
  const blobs: Buffer[] = [];
  const configs: T[] = [];
  const visit = async (reference: string): Promise<void> => {
    const bytes = await get(`manifests/${reference}`);
    blobs.push(bytes);
    const manifest = JSON.parse(bytes.toString()) as Manifest;
    for (const { digest: inner } of manifest.manifests ?? []) await visit(inner);
    for (const { digest: layer } of manifest.layers ?? []) blobs.push(await get(`blobs/${layer}`));
    if (!manifest.config) return;
    const config = await get(`blobs/${manifest.config.digest}`);
    blobs.push(config);
    configs.push(JSON.parse(config.toString()) as T);
  };
  await visit(digest);
  return { config: configs[0]!, blobs };
}
