import { createHash } from 'node:crypto';
import { access, cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { runProcess } from '../../runtime/run-process.ts';

interface ToolSource {
  /** Below `tools/`: a module of its own for each, so that one's versions don't move another's. */
  folder: string;
  /** What the cache calls it. Default: as the folder; another one for programs that few runs need. */
  name?: string | undefined;
  /** Main packages by the name of their program. */
  programs: Record<string, string>;
  /** A module whose custom resource definitions are kept beside the program, and where in it they lie. */
  crds?: { module: string; dir: string } | undefined;
}

const flux = 'github.com/fluxcd';
const sources: ToolSource[] = [
  // Of its own, because the release's program has ten commands of which three are run here.
  { folder: 'argocd', programs: { argocd: '.' } },
  {
    folder: 'buildkit',
    programs: {
      buildctl: 'github.com/moby/buildkit/cmd/buildctl',
      buildkitd: 'github.com/moby/buildkit/cmd/buildkitd',
    },
  },
  { folder: 'etcd', programs: { etcd: 'go.etcd.io/etcd/server/v3' } },
  { folder: 'kubernetes', programs: { 'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver' } },
  {
    folder: 'kubernetes',
    name: 'kubernetes-controllers',
    programs: {
      'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
      'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
    },
  },
  { folder: 'kubectl', programs: { kubectl: 'k8s.io/kubernetes/cmd/kubectl' } },
  { folder: 'kwok', programs: { kwok: 'sigs.k8s.io/kwok/cmd/kwok' } },
  { folder: 'kustomize', programs: { kustomize: 'sigs.k8s.io/kustomize/kustomize/v5' } },
  {
    folder: 'source-controller',
    programs: { 'source-controller': `${flux}/source-controller` },
    crds: { module: `${flux}/source-controller`, dir: 'config/crd/bases' },
  },
  {
    folder: 'kustomize-controller',
    programs: { 'kustomize-controller': `${flux}/kustomize-controller` },
    crds: { module: `${flux}/kustomize-controller`, dir: 'config/crd/bases' },
  },
  {
    folder: 'source-watcher',
    programs: { 'source-watcher': `${flux}/source-watcher/v2/cmd` },
    crds: { module: `${flux}/source-watcher/v2`, dir: 'config/crd/bases' },
  },
];

/** Modules that nothing here is built from, for the definitions of kinds that they bring; with their sums. */
const definitions = {
  'argo-cd': {
    // The same version as tools/argocd.
    module: 'github.com/argoproj/argo-cd/v3@v3.5.3',
    sum: 'h1:klbUb5LOK+oJSBkR0OYGlLkG9IpsPVtSR2idOdaQb2I=',
    dir: 'manifests/crds',
  },
  'helm-controller': {
    module: `${flux}/helm-controller@v1.6.1`,
    sum: 'h1:b0XKTQCGlQy4nOGfEFMbn/e+/j9IMEHSDlKecbZkG9M=',
    dir: 'config/crd/bases',
  },
  'sealed-secrets': {
    module: 'github.com/bitnami-labs/sealed-secrets@v0.40.0',
    sum: 'h1:rvCP35JL8ZV5LNA2SrwNR6iLyoM3ulrSFWN0lBtYEYI=',
    dir: 'helm/sealed-secrets/crds',
  },
  knative: {
    module: 'knative.dev/serving@v0.51.0',
    sum: 'h1:yN2Q7eYqJgoPfZkATjoBZyGbZ2P1Qhns9HIMU4mF+to=',
    dir: 'config/core/300-resources',
  },
  'gateway-api': {
    module: 'sigs.k8s.io/gateway-api@v1.5.0',
    sum: 'h1:duoo14Ky/fJXpjpmyMISE2RTBGnfCg8zICfTYLTnBJA=',
    dir: 'config/crd/standard',
  },
} as const;

/** Folders with the definitions of kinds of which no program is run here. */
export function definitionsOf(...names: (keyof typeof definitions)[]): Promise<string[]> {
  return Promise.all(
    names.map(async (name) => {
      const { module, sum, dir } = definitions[name];
      const at = await downloaded(tmpdir(), module);
      if (at.Sum !== sum) throw new Error(`${module} has the sum ${at.Sum}, not ${sum}`);
      return join(at.Dir, dir);
    }),
  );
}

/** The Deployment of one of Flux's controllers, as its module brings it. */
export async function fluxDeployment(name: string): Promise<string> {
  const crds = sources.find(({ folder }) => folder === name)?.crds;
  if (!crds) throw new Error(`there is no controller "${name}"`);
  const { Dir } = await downloaded(join(import.meta.dirname, 'tools', name), crds.module);
  return readFile(join(Dir, 'config/manager/deployment.yaml'), 'utf8');
}

/** Argo CD's definitions, the file that installs all of it, and what its git asks about signatures, as its module brings them. */
export async function argoFiles() {
  const [definitions = ''] = await definitionsOf('argo-cd');
  const module = join(definitions, '../..');
  return {
    definitions,
    install: join(module, 'manifests/install.yaml'),
    verifier: join(module, 'hack/git-verify-wrapper.sh'),
  };
}

/** What kwok makes of pods and nodes, fast, as its module brings it; the nodes' leases are renewed too. */
export async function kwokStages(): Promise<string> {
  const { Dir } = await downloaded(join(import.meta.dirname, 'tools/kwok'), 'sigs.k8s.io/kwok');
  const texts: string[] = [];
  for (const folder of ['node/fast', 'node/heartbeat-with-lease', 'pod/fast']) {
    const dir = join(Dir, 'kustomize/stage', folder);
    const names = (await readdir(dir)).filter((name) => /^(node|pod)-.*\.yaml$/.test(name));
    texts.push(...(await Promise.all(names.map((name) => readFile(join(dir, name), 'utf8')))));
  }
  return texts.join('\n---\n');
}

async function downloaded(cwd: string, module: string): Promise<{ Dir: string; Sum: string }> {
  return JSON.parse(await go(cwd, ['mod', 'download', '-json', module]));
}

const building = new Map<string, Promise<string>>();

/**
 * The path of a program: from `KUBEBUILDER_ASSETS` or the PATH if it is a part of Kubernetes and there, else built,
 * once for this machine, from the module that its go.mod pins.
 */
export async function tool(name: string): Promise<string> {
  const source = sources.find(({ programs }) => name in programs);
  if (!source) throw new Error(`there is no tool "${name}"`);
  return (await givenTool(source, name)) ?? join(await built(source), name);
}

/** Folders with the custom resource definitions of these tools, as their modules bring them. */
export function toolCrds(...names: string[]): Promise<string[]> {
  const wanted = sources.filter(({ programs, crds }) => crds && names.some((name) => name in programs));
  return Promise.all(wanted.map(async (source) => join(await built(source), 'crds')));
}

const givenFolders = new Set(['etcd', 'kubernetes', 'kubectl']);
const givenByPath = new Set(['kube-apiserver', 'kubectl']);

async function givenTool(source: ToolSource, name: string): Promise<string | undefined> {
  if (!givenFolders.has(source.folder)) return undefined;
  const assets = process.env['KUBEBUILDER_ASSETS'];
  // Debian's etcd is too old for a current API server, so the PATH is not asked for it.
  const path = givenByPath.has(name) ? (process.env['PATH'] ?? '').split(delimiter) : [];
  for (const dir of assets === undefined ? path : [assets, ...path]) {
    if (await exists(join(dir, name))) return join(dir, name);
  }
  return undefined;
}

function built(source: ToolSource): Promise<string> {
  const key = source.name ?? source.folder;
  const known = building.get(key);
  if (known) return known;
  const build = buildTool(source);
  building.set(key, build);
  return build;
}

async function buildTool({ folder, name = folder, programs, crds }: ToolSource): Promise<string> {
  const module = join(import.meta.dirname, 'tools', folder);
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'towline', 'tools');
  const files = (await readdir(module)).sort();
  const pins = await Promise.all(files.map((file) => readFile(join(module, file))));
  const sum = createHash('sha256').update(Buffer.concat(pins)).digest('hex').slice(0, 16);
  const dir = join(cache, `${name}-${sum}`);
  if (await exists(dir)) return dir;
  await mkdir(cache, { recursive: true });
  const making = await mkdtemp(join(cache, '.new-'));
  try {
    const started = Date.now();
    const names = Object.keys(programs).join(' and ');
    say(`building ${names} with go, once for this machine: this takes minutes`);
    const flags = ['-trimpath', '-buildvcs=false', '-ldflags=-s -w'];
    for (const [program, path] of Object.entries(programs)) {
      await go(module, ['build', ...flags, '-o', join(making, program), path]);
    }
    if (crds) {
      const at = await go(module, ['list', '-m', '-f', '{{.Dir}}', crds.module]);
      await cp(join(at.trim(), crds.dir), join(making, 'crds'), { recursive: true });
    }
    say(`built ${names} in ${Math.round((Date.now() - started) / 1000)} s, kept in ${dir}`);
    // Whoever comes second has built the same.
    await rename(making, dir).catch(() => undefined);
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return dir;
}

async function go(cwd: string, args: string[]): Promise<string> {
  const env = { ...(process.env as Record<string, string>), GOFLAGS: '-mod=readonly', CGO_ENABLED: '0' };
  const { exitCode, stdout, stderr } = await runProcess({
    command: 'go',
    args,
    cwd,
    env,
    timeoutMs: 3_600_000,
  });
  if (exitCode !== 0) throw new Error(`go ${args[0]} ended with ${exitCode}:\n${stderr}`);
  return stdout.toString();
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function say(text: string): void {
  process.stderr.write(`# ${text}\n`);
}
