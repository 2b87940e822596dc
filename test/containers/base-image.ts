import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  chmod,
  copyFile,
  cp,
  link,
  mkdir,
  mkdtemp,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { tool } from '../cluster/tools.ts';

const run = promisify(execFile);

export type BaseImageKind = 'shell' | 'node' | 'python' | 'platform';

/** An image made of this machine's own programs, so that no test asks a public registry. */
export interface BaseImage {
  /** `base/shell:1`, `base/node:24`, `base/python:3`, `base/platform:1`: to put behind a registry's host. */
  name: string;
  /** A docker archive, as `docker load` and `skopeo copy docker-archive:` take it, tagged with the name. */
  archive: string;
  /** The layer, an uncompressed tar. */
  layer: { path: string; digest: string; size: number };
  /** The image's configuration, as bytes that are stored under their digest. */
  config: Buffer;
}

/** Bump when what is put into the images changes. */
const version = '1';
const names: Record<BaseImageKind, string> = {
  shell: 'base/shell:1',
  node: 'base/node:24',
  python: 'base/python:3',
  platform: 'base/platform:1',
};

/**
 * Busybox as the whole userland, CA certificates, a user `app` (1000), and for `node` this process's node with npm,
 * for `python` the machine's python3 with its library, for `platform` node, git, ssh and BuildKit's buildctl. Made once and kept in the cache folder, by the programs' versions.
 */
export async function makeBaseImage(kind: BaseImageKind): Promise<BaseImage> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'towline', 'test-images');
  const dir = join(cache, `${kind}-${await fingerprint(kind)}`);
  if (!(await stat(join(dir, 'image.tar')).catch(() => undefined))) {
    await mkdir(cache, { recursive: true });
    const making = await mkdtemp(join(cache, '.new-'));
    try {
      await build(kind, making);
      // Whoever comes second has made the same.
      await rename(making, dir).catch(() => undefined);
    } finally {
      await rm(making, { recursive: true, force: true });
    }
  }
  const config = await readFile(join(dir, 'config.json'));
  const path = join(dir, 'layer.tar');
  const { rootfs } = JSON.parse(config.toString()) as { rootfs: { diff_ids: string[] } };
  return {
    name: names[kind],
    archive: join(dir, 'image.tar'),
    layer: { path, digest: rootfs.diff_ids[0]!, size: (await stat(path)).size },
    config,
  };
}

async function fingerprint(kind: BaseImageKind): Promise<string> {
  const hash = createHash('sha256').update(version);
  const sources = [await busybox()];
  if (kind === 'node' || kind === 'platform') sources.push(process.execPath, await npmDir());
  if (kind === 'platform') {
    sources.push(...platformPrograms, await tool('buildctl'));
    hash.update(platformLibraries.join());
  }
  if (kind === 'python') sources.push((await python()).executable);
  for (const path of sources) {
    const { size, mtimeMs } = await stat(path);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

async function build(kind: BaseImageKind, dir: string): Promise<void> {
  const root = join(dir, 'root');
  await addUserland(root);
  if (kind === 'node' || kind === 'platform') await addNode(root);
  if (kind === 'platform') await addPlatformPrograms(root);
  const python = kind === 'python' ? await addPython(root) : {};
  const layer = join(dir, 'layer.tar');
  await tar(layer, root, ['.']);
  await rm(root, { recursive: true, force: true });
  const digest = await digestOfFile(layer);
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    created: '2020-01-01T00:00:00Z',
    config: { Env: ['PATH=/usr/local/bin:/usr/bin:/bin', ...Object.values(python)], Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: [digest] },
    history: [{ created: '2020-01-01T00:00:00Z', created_by: 'towline test base image' }],
  };
  await writeFile(join(dir, 'config.json'), JSON.stringify(config));
  const manifest = [{ Config: 'config.json', RepoTags: [names[kind]], Layers: ['layer.tar'] }];
  await writeFile(join(dir, 'manifest.json'), JSON.stringify(manifest));
  await tar(join(dir, 'image.tar'), dir, ['manifest.json', 'config.json', 'layer.tar']);
}

/** The same content gives the same bytes. */
async function tar(target: string, dir: string, entries: string[]): Promise<void> {
  const plain = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  await run('tar', [...plain, '-cf', target, '-C', dir, ...entries]);
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

async function addUserland(root: string): Promise<void> {
  for (const dir of [
    'bin',
    'usr/bin',
    'usr/local/bin',
    'etc/ssl/certs',
    'home/app',
    'root',
    'var',
    'proc',
    'sys',
    'dev',
  ]) {
    await mkdir(join(root, dir), { recursive: true });
  }
  for (const dir of ['tmp', 'var/tmp']) {
    await mkdir(join(root, dir), { recursive: true });
    await chmod(join(root, dir), 0o1777);
  }
  const program = await busybox();
  await copyFile(program, join(root, 'bin/busybox'));
  await chmod(join(root, 'bin/busybox'), 0o755);
  const { stdout } = await run(program, ['--list']);
  for (const applet of stdout.split('\n').filter((line) => line !== '' && line !== 'busybox')) {
    await link(join(root, 'bin/busybox'), join(root, 'bin', applet));
  }
  await symlink('/bin/env', join(root, 'usr/bin/env'));
  await writeFile(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  );
  await writeFile(join(root, 'etc/group'), 'root:x:0:\napp:x:1000:\nnogroup:x:65534:\n');
  await writeFile(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  await copyFile('/etc/ssl/certs/ca-certificates.crt', join(root, 'etc/ssl/certs/ca-certificates.crt')).catch(
    () => undefined,
  );
}

async function addNode(root: string): Promise<void> {
  await copyProgram(root, process.execPath, '/usr/local/bin/node');
  await cp(await npmDir(), join(root, 'usr/local/lib/node_modules/npm'), {
    recursive: true,
    verbatimSymlinks: true,
  });
  for (const name of ['npm', 'npx']) {
    await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name));
  }
}

const platformPrograms = ['/usr/bin/git', '/usr/bin/ssh'];
/** Of the C library: what prebuilt Node modules are linked with, and what finds hosts. */
const platformLibraries = ['librt.so.1', 'libresolv.so.2', 'libnss_dns.so.2', 'libnss_files.so.2'];

async function libraryDir(): Promise<string> {
  const { stdout } = await run('ldd', [platformPrograms[0]!]);
  return dirname(/=> (\/\S+\/libc\.so\.6) /.exec(stdout)![1]!);
}

async function addPlatformPrograms(root: string): Promise<void> {
  for (const path of platformPrograms) await copyProgram(root, path, path);
  await copyProgram(root, await tool('buildctl'), '/usr/bin/buildctl');
  for (const dir of ['/usr/lib/git-core', '/usr/share/git-core']) {
    await cp(dir, join(root, dir), { recursive: true, verbatimSymlinks: true });
  }
  await copyLibraries(root, '/usr/lib/git-core/git-remote-http');
  const libraries = await libraryDir();
  for (const name of platformLibraries) {
    const path = join(libraries, name);
    if (await stat(path).catch(() => undefined)) await copyFile(await realpath(path), join(root, path));
  }
}

/** Its place is kept, because python finds its library by it; the variables that the image has to set. */
async function addPython(root: string): Promise<{ home: string }> {
  const { executable, prefix, library, modules } = await python();
  await copyProgram(root, executable, '/usr/local/bin/python3');
  await cp(library, join(root, library), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => isWanted(relative(library, path)),
  });
  for (const module of modules) await copyLibraries(root, module);
  await symlink('python3', join(root, 'usr/local/bin/python'));
  return { home: `PYTHONHOME=${prefix}` };
}

const leftOut = /(?:^|\/)(?:test|tests|idlelib|tkinter|lib2to3|turtledemo|__pycache__|config-3[^/]*)$|\.a$/;

/** Of what was installed beside python, only pip. */
function isWanted(path: string): boolean {
  if (leftOut.test(path)) return false;
  return !/^(?:site|dist)-packages\/(?!pip\b)/.test(path);
}

async function python() {
  const script =
    'import sys, sysconfig, glob, json, os; p = sysconfig.get_paths(); ' +
    'print(json.dumps([os.path.realpath(sys.executable), sys.prefix, p["stdlib"], ' +
    'glob.glob(p["stdlib"] + "/lib-dynload/*.so")]))';
  const { stdout } = await run('python3', ['-c', script]);
  const [executable, prefix, library, modules] = JSON.parse(stdout) as [string, string, string, string[]];
  return { executable, prefix, library, modules };
}

async function copyProgram(root: string, from: string, to: string): Promise<void> {
  await mkdir(join(root, dirname(to)), { recursive: true });
  await copyFile(from, join(root, to));
  await chmod(join(root, to), 0o755);
  await copyLibraries(root, from);
}

/** The shared libraries a program is linked with, where the dynamic loader looks for them. */
async function copyLibraries(root: string, program: string): Promise<void> {
  const { stdout } = await run('ldd', [program]).catch(() => ({ stdout: '' }));
  for (const [, path] of stdout.matchAll(/(\/\S+) \(0x/g)) {
    const target = join(root, path!);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(await realpath(path!), target);
    await chmod(target, 0o755);
  }
}

/** Of the `npm` on the PATH, wherever its link leads. */
async function npmDir(): Promise<string> {
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    const program = await realpath(join(folder, 'npm')).catch(() => '');
    if (program.endsWith('/npm/bin/npm-cli.js')) return dirname(dirname(program));
  }
  throw new Error('no npm on the PATH');
}

async function busybox(): Promise<string> {
  for (const path of ['/bin/busybox', '/usr/bin/busybox']) {
    if (await stat(path).catch(() => undefined)) return realpath(path);
  }
  throw new Error('no busybox: install the package busybox-static');
}

/** An image that a registry now has. */
export interface PushedImage {
  /** `<host>/<name>`, with the tag. */
  image: string;
  digest: string;
}

/** Uploads the image by the registry's HTTP API, as `<host>/base/node:24` or under the name given. */
export async function pushBaseImage(
  registry: { origin: string; host: string },
  base: BaseImage,
  options: { name?: string | undefined; headers?: Record<string, string> | undefined } = {},
): Promise<PushedImage> {
  const name = options.name ?? base.name;
  const colon = name.lastIndexOf(':');
  const repository = name.slice(0, colon);
  const url = `${registry.origin}/v2/${repository}`;
  const headers = options.headers ?? {};
  const upload = async (digest: string, body: Buffer | (() => Promise<Buffer>)) => {
    const there = await fetch(`${url}/blobs/${digest}`, { method: 'HEAD', headers });
    if (there.ok) return;
    const begun = await expectOk(await fetch(`${url}/blobs/uploads/`, { method: 'POST', headers }), 202);
    const location = new URL(begun.headers.get('location')!, registry.origin);
    location.searchParams.set('digest', digest);
    const bytes = typeof body === 'function' ? await body() : body;
    const sent = { ...headers, 'Content-Type': 'application/octet-stream' };
    await expectOk(await fetch(location, { method: 'PUT', headers: sent, body: new Uint8Array(bytes) }), 201);
  };
  const configDigest = digestOfBytes(base.config);
  await upload(base.layer.digest, () => readFile(base.layer.path));
  await upload(configDigest, base.config);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: configDigest,
        size: base.config.length,
      },
      layers: [
        {
          mediaType: 'application/vnd.oci.image.layer.v1.tar',
          digest: base.layer.digest,
          size: base.layer.size,
        },
      ],
    }),
  );
  const typed = { ...headers, 'Content-Type': 'application/vnd.oci.image.manifest.v1+json' };
  const put = await fetch(`${url}/manifests/${name.slice(colon + 1)}`, {
    method: 'PUT',
    headers: typed,
    body: new Uint8Array(manifest),
  });
  await expectOk(put, 201);
  return { image: `${registry.host}/${name}`, digest: digestOfBytes(manifest) };
}

function digestOfBytes(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function expectOk(response: Response, status: number): Promise<Response> {
  if (response.status !== status)
    throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
  return response;
}

if (import.meta.main) {
  const dir = await mkdtemp(join(tmpdir(), 'towline-base-'));
  const { startRegistry } = await import('./registry.ts');
  await using registry = await startRegistry({ dataDir: dir });
  for (const kind of ['shell', 'node', 'python'] as const) {
    const started = Date.now();
    const base = await makeBaseImage(kind);
    const pushed = await pushBaseImage(registry, base);
    process.stdout.write(
      `${JSON.stringify({ ...pushed, size: base.layer.size, ms: Date.now() - started })}\n`,
    );
  }
  await rm(dir, { recursive: true, force: true });
}
