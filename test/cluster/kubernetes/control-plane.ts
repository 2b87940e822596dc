import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { freePort, goEnvironment, type RunningProgram, startProgram } from '../../containers/program.ts';
import { ownedFolder } from '../../containers/test-owner.ts';
import { tool } from '../tools.ts';
import { givenControlPlane } from './given-cluster.ts';
import { kubeconfigText } from './kubeconfig.ts';
import type { ControlPlane, OwnControlPlane } from './plane.ts';

export type { ControlPlane, OwnControlPlane } from './plane.ts';

const given = process.env['TOWLINE_TEST_KUBECONFIG'];

/** Why a test that kills the API server does not run, if it cannot. */
export const cannotKill: string | false =
  given === undefined ? false : 'it kills the API server, which only one of its own may suffer';

/** Starts one, or takes the cluster that `TOWLINE_TEST_KUBECONFIG` names. */
export async function startControlPlane(): Promise<ControlPlane> {
  return given === undefined ? startOwnControlPlane() : givenControlPlane(given);
}

export async function startOwnControlPlane(): Promise<OwnControlPlane> {
  await using stack = new AsyncDisposableStack();
  const dir = await ownedFolder('cluster');
  stack.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  const etcdUrl = await startEtcd(stack, dir);
  const certDir = join(dir, 'apiserver');
  await mkdir(certDir, { recursive: true });
  const adminToken = randomBytes(16).toString('hex');
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const files = {
    key: join(dir, 'service-account.key'),
    pub: join(dir, 'service-account.pub'),
    tokens: join(dir, 'tokens.csv'),
  };
  await writeFile(files.key, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  await writeFile(files.pub, publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(files.tokens, `${adminToken},admin,admin,"system:masters"\n`, { mode: 0o600 });
  const port = await freePort();
  const server = `https://127.0.0.1:${port}`;
  const command = await tool('kube-apiserver');
  const start = () =>
    startProgram({
      ...{ command, env: goEnvironment },
      args: [
        ...[`--etcd-servers=${etcdUrl}`, `--secure-port=${port}`, '--bind-address=127.0.0.1'],
        ...[`--cert-dir=${certDir}`, '--authorization-mode=RBAC', `--token-auth-file=${files.tokens}`],
        ...['--service-account-issuer=https://towline.test', `--service-account-key-file=${files.pub}`],
        ...[`--service-account-signing-key-file=${files.key}`, '--service-cluster-ip-range=10.0.0.0/24'],
        // Without a controller manager nobody makes the default service accounts that it waits for.
        '--disable-admission-plugins=ServiceAccount',
        // One node's worth of watch caches and etcd compaction is all that tests need.
        ...['--allow-privileged=false', '--profiling=false', '--v=1'],
      ],
      isReady: async () => (await status(`${server}/readyz`, adminToken)) === 200,
      timeoutMs: 90_000,
    });
  let apiServer: RunningProgram = await start();
  stack.defer(() => apiServer[Symbol.asyncDispose]());
  const ca = await readFile(join(certDir, 'apiserver.crt'), 'utf8');
  let kubeconfigs = 0;
  const resources = stack.move();
  return {
    server,
    ca,
    adminToken,
    dir,
    async kubeconfig(token = adminToken, way = server) {
      kubeconfigs += 1;
      const path = join(dir, `kubeconfig-${kubeconfigs}.json`);
      await writeFile(path, kubeconfigText(way, ca, token), { mode: 0o600 });
      return path;
    },
    killApiServer: () => apiServer.kill(),
    async startApiServer() {
      apiServer = await start();
    },
    compact: () => compact(etcdUrl),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function compact(etcdUrl: string): Promise<void> {
  const ask = async (path: string, body: unknown) => {
    const response = await fetch(`${etcdUrl}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`etcd answers ${response.status}: ${await response.text()}`);
    return (await response.json()) as { header: { revision: string } };
  };
  const { header } = await ask('maintenance/status', {});
  await ask('kv/compaction', { revision: header.revision, physical: true });
}

async function startEtcd(stack: AsyncDisposableStack, dir: string): Promise<string> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const peers = `http://127.0.0.1:${await freePort()}`;
  stack.use(
    await startProgram({
      ...{ command: await tool('etcd'), env: goEnvironment },
      args: [
        ...[
          `--data-dir=${join(dir, 'etcd')}`,
          `--listen-client-urls=${url}`,
          `--advertise-client-urls=${url}`,
        ],
        ...[`--listen-peer-urls=${peers}`, `--initial-advertise-peer-urls=${peers}`],
        // Nothing outlives the test, so nothing has to be on the disk.
        ...[`--initial-cluster=default=${peers}`, '--unsafe-no-fsync', '--log-level=warn'],
      ],
      isReady: async () => (await fetch(`${url}/health`)).ok,
    }),
  );
  return url;
}

/** Its certificate is self-signed and not known yet, so this one question is asked without checking it. */
function status(url: string, token: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const asked = request(url, { rejectUnauthorized: false, headers, timeout: 2000 }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer'))).on('error', reject);
    asked.end();
  });
}
