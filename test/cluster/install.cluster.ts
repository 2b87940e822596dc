import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { appSecret } from '../../builder/github-setup/app-manifest.ts';
import { startGitHttpServer } from '../../manifest-writer/gitops-http-server.ts';
import { rendered } from '../../manifest-writer/installation/rendered-fixture.ts';
import { type ClusterApi, createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { runProcess } from '../../runtime/run-process.ts';
import { parseServiceTokens } from '../../runtime/services/service-tokens.ts';
import { clientOf, until } from './kubernetes/apply.ts';
import { type ControlPlane, startControlPlane } from './kubernetes/control-plane.ts';
import { startFlux } from './kubernetes/flux.ts';
import { functionDefinition } from './kubernetes/openfaas.ts';
import { serverSideApply } from './kubernetes/server-side-apply.ts';
import { choosePorts, createPrograms } from './mission/programs.ts';
import { definitionsOf, tool } from './tools.ts';

const root = join(import.meta.dirname, '../..');
const searchPath = process.env['PATH'] ?? '';
const resources = new AsyncDisposableStack();
let api: ClusterApi;
let plane: ControlPlane;
let env: Record<string, string>;
let dir: string;
let url: string;
let page: string;

before(async () => {
  page = await readFile(join(root, 'docs/install.md'), 'utf8');
  plane = resources.use(await startControlPlane());
  const kubeconfig = await plane.kubeconfig();
  api = createClusterApi(clientOf(kubeconfig));
  const server = serverSideApply(api);
  await server.apply([await functionDefinition()]);
  await server.define(await definitionsOf('helm-controller', 'sealed-secrets'));
  resources.use(await startFlux(plane, { watcher: true }));
  dir = await mkdtemp(join(tmpdir(), 'towline-install-'));
  resources.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  const git = resources.use(await startGitHttpServer({ root: dir, path: searchPath }));
  url = `${git.url}/acme/functions.git`;
  const gotk = join(dir, 'gotk-components.yaml');
  await writeFile(gotk, (await rendered({})).get('flux/system/gotk-components.yaml') ?? '');
  const kubectl = await tool('kubectl');
  env = {
    PATH: `${dirname(kubectl)}:${dirname(process.execPath)}:${searchPath}`,
    ...{ HOME: dir, KUBECONFIG: kubeconfig, TOWLINE: root, GOTK: gotk },
    ...{ GIT_AUTHOR_NAME: 'Olga', GIT_AUTHOR_EMAIL: 'olga@example.org' },
    ...{ GIT_COMMITTER_NAME: 'Olga', GIT_COMMITTER_EMAIL: 'olga@example.org' },
  };
  const bare = join(dir, 'acme/functions.git');
  await mkdir(bare, { recursive: true });
  await bash('git init --quiet --bare -b main acme/functions.git');
  await bash(`git -C ${bare} config http.receivepack true`);
});
after(() => resources.disposeAsync());

/** As a person types it; every line is echoed, so that a failure says where it was. */
async function bash(script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await runProcess({
    ...{ command: 'bash', args: ['-veuo', 'pipefail', '-c', script], cwd: dir, env, timeoutMs: 480_000 },
  });
  assert.equal(exitCode, 0, `${stdout.toString().slice(-2_000)}\n${stderr.slice(-6_000)}`);
  return stdout.toString();
}

/** The program that hands tenants' set-ups to Flux, with its pod's rights, as soon as Flux has made its account. */
async function startWriter(): Promise<void> {
  const path = '/api/v1/namespaces/towline/serviceaccounts/manifest-writer/token';
  let token = '';
  await until(async () => {
    const { status } = await api.request<{ status: { token: string } }>(path, {
      ...{ method: 'POST', body: { spec: {} } },
    });
    token = status.token;
    return true;
  }, 'Flux to make the account of the manifest-writer');
  const ports = await choosePorts();
  await writeFile(join(dir, 'rules.yaml'), 'environments: [{name: staging}]\n');
  await writeFile(join(dir, 'writer-tokens'), `${'a'.repeat(64)}\n`);
  const own = {
    TOWLINE_KUBECONFIG: await plane.kubeconfig(token),
    TOWLINE_SERVICE_TOKEN_FILE: join(dir, 'writer-tokens'),
    TOWLINE_CONFIG: join(dir, 'rules.yaml'),
    TOWLINE_GITOPS_URL: url,
    TOWLINE_GITOPS_LOOK_MS: '1000',
    TOWLINE_PUBLISH_PORT: String(ports.publish),
    TOWLINE_PUBLISH_ORIGIN: `http://127.0.0.1:${ports.publish}`,
  };
  const none = { builder: {}, router: {}, auth: {}, ui: {} };
  const hostsFile = '/etc/hosts';
  const programs = createPrograms({ ports, dir, hostsFile, env: { ...none, 'manifest-writer': own } });
  resources.use(programs);
  await programs.start('manifest-writer');
}

/** The file of service tokens that a Secret of the programs' namespace holds. */
async function tokensOf(secret: string): Promise<string> {
  const path = `/api/v1/namespaces/towline/secrets/${secret}`;
  const { data } = await api.request<{ data: Record<string, string> }>(path);
  return Buffer.from(data['tokens'] ?? '', 'base64').toString();
}

describe('docs/install.md', () => {
  it('can be followed, command by command', async () => {
    const blocks = [...page.matchAll(/^```sh tried\n(.*?)^```$/gms)].map(([, text = '']) => text);
    assert.ok(blocks.length > 8);
    const script = blocks
      .join('')
      .replaceAll('https://git.example.org/acme/functions.git', url)
      // Where the manifest-writer is that runs beside the cluster.
      .replace(/^registry: /m, 'publishHost: 127.0.0.1\nregistry: ')
      .replace(/^cd functions$/m, 'cp "$GOTK" functions/flux/system/\ncd functions');
    const [printed] = await Promise.all([bash(script), startWriter()]);
    for (const program of ['router', 'ui', 'auth', 'builder', 'manifest-writer']) {
      assert.match(printed, new RegExp(`(deployment|statefulset)\\.apps/${program} `), program);
    }
    assert.match(printed, /removed {2}flux\/tenants\/bob\.yaml/);
    assert.match(printed, /kept {5}platform\/forges\.yaml/);
    const { data } = await api.request<{ data: Record<string, string> }>(
      '/api/v1/namespaces/towline/configmaps/forges',
    );
    assert.equal(data['TOWLINE_SOURCE_HOSTS'], 'git.example.org');
  });

  it('is followed by commands of docs/operate.md that say what Flux waits for', async () => {
    const operate = await readFile(join(root, 'docs/operate.md'), 'utf8');
    const blocks = [...operate.matchAll(/^```sh tried\n(.*?)^```$/gms)].map(([, text = '']) => text);
    assert.equal(blocks.length, 1);
    const printed = await bash(blocks.join(''));
    assert.match(printed, /^gitrepository\S*\/gitops .*True/m);
    assert.match(printed, /^NAME +READY +WHY$/m);
    assert.match(printed, /^towline-platform +True +Applied revision/m);
  });

  it('leaves one Secret with the files of every forge, by the commands of their own pages, twice too', async () => {
    const app = { id: '1', slug: 'towline', privateKey: 'KEY', webhookSecret: 'SECRET', installUrl: '' };
    await mkdir(join(dir, 'github-app'), { recursive: true });
    await writeFile(join(dir, 'github-app/secret.yaml'), appSecret(app, 'towline'));
    const pages = ['github', 'gitlab'].map((name) => readFile(join(root, `docs/${name}.md`), 'utf8'));
    const blocks = (await Promise.all(pages)).flatMap((text) => [
      ...text.matchAll(/^ *```sh tried\n(.*?)^ *```$/gms),
    ]);
    assert.equal(blocks.length, 4);
    const tokens = 'echo glpat-1 > gitlab-acme\necho glpat-2 > gitlab-acme-private\n';
    const script = tokens + blocks.map(([, text = '']) => text).join('');
    await bash(script);
    await bash(script);
    const { data } = await api.request<{ data: Record<string, string> }>(
      '/api/v1/namespaces/towline/secrets/forges',
    );
    const ofGitHub = ['github-app-key.pem', 'github-webhook-secret'];
    const ofGitLab = ['gitlab-acme', 'gitlab-acme-private', 'gitlab-webhook-secret'];
    assert.deepEqual(Object.keys(data).sort(), ['customers', ...ofGitHub, ...ofGitLab, 'webhook-secrets']);
    assert.equal(Buffer.from(data['github-app-key.pem'] ?? '', 'base64').toString(), 'KEY\n');
  });

  it("gives the router a token that is good for one question alone, and the others one that it doesn't have", async () => {
    const tokens = parseServiceTokens(await tokensOf('service-tokens'));
    const router = parseServiceTokens(await tokensOf('router-service-token')).own();
    assert.equal(tokens.accepts(router, 'build-service/pending'), true);
    for (const call of [
      'auth/owners',
      'auth/createLoginTicket',
      'manifest-writer/deploy',
      'build-service/log',
    ]) {
      assert.equal(tokens.accepts(router, call), false, call);
      assert.equal(tokens.accepts(tokens.own(), call), true, call);
    }
    assert.notEqual(router, tokens.own());
  });

  it('leaves the secrets in the cluster and nothing of them in the repository', async () => {
    const repository = await bash('git -C acme/functions.git grep -lE "PRIVATE KEY|-TOKEN$" main -- || true');
    assert.equal(repository.trim(), '');
    const tokens = (await tokensOf('service-tokens')).match(/[0-9a-f]{64}/g) ?? [];
    assert.equal(tokens.length, 2);
    for (const token of tokens) {
      assert.equal((await bash(`git -C acme/functions.git grep -l ${token} main -- || true`)).trim(), '');
    }
  });

  it('makes every Secret that a pod of the platform waits for', async () => {
    const folder = join(root, 'gitops-repo-template/platform');
    const texts = await Promise.all(
      (await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')),
    );
    const needed = new Set(
      texts.flatMap((text) => [...text.matchAll(/secretName: (\S+)/g)].map(([, name]) => name)),
    );
    assert.ok(needed.size > 4);
    for (const name of needed) {
      assert.ok(new RegExp(`create secret [a-z-]+ ${name}\\b`).test(page), `${name} is not made`);
    }
  });
});
