import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher } from 'undici';

/** Where the API server is, and as whom it is asked. */
export interface ClusterAccess {
  /** As `https://10.0.0.1:6443`, without a slash at its end. */
  readonly server: string;
  /** Asked for each request, so that a credential may be replaced at any time. */
  credentials(): Promise<{ headers: Record<string, string>; dispatcher: Dispatcher | undefined }>;
}

const inPod = '/var/run/secrets/kubernetes.io/serviceaccount';
/**
 * An HTTP/2 connection that died without a word is left only because an answer did not begin in time: then undici asks
 * the other side for a sign of life. A signal that ends a request earlier ends its stream alone, so this is less than what
 * requests and silent watches are given, and more than an admission webhook may take by default (10 s).
 */
const defaultHeadersTimeout = 15_000;

/**
 * As a pod's service account. The client's package is not loaded for this: its generated models would be half of what
 * a router needs of memory. Throws if the certificate of the cluster is not there.
 */
export function serviceAccountAccess({
  dir = inPod,
  server = 'https://kubernetes.default.svc',
  headersTimeout = defaultHeadersTimeout,
}: {
  dir?: string | undefined;
  server?: string | undefined;
  /** Milliseconds. Default: 15,000. */
  headersTimeout?: number | undefined;
} = {}): ClusterAccess {
  const ca = readFileSync(join(dir, 'ca.crt'));
  // Who watches knows how long silence may last. A hundred watches share a connection, where each of its own would cost
  // both sides three times as much.
  const dispatcher = new Agent({
    connect: { ca, timeout: 10_000 },
    bodyTimeout: 0,
    headersTimeout,
    allowH2: true,
  });
  return {
    server,
    async credentials() {
      const token = (await readFile(join(dir, 'token'), 'utf8')).trim();
      return { headers: { authorization: `Bearer ${token}` }, dispatcher };
    },
  };
}

/** As the kubeconfig's user, in every way that the client knows. */
export function kubeconfigAccess(config: KubeConfig): ClusterAccess {
  const server = config.getCurrentCluster()?.server.replace(/\/$/, '');
  if (server === undefined) throw new Error('the kubeconfig names no cluster');
  return {
    server,
    async credentials() {
      const { HttpMethod, RequestContext } = await import('@kubernetes/client-node');
      const context = new RequestContext(server, HttpMethod.GET);
      await config.applySecurityAuthentication(context);
      const token = await tokenOf(config);
      const headers = { ...context.getHeaders(), ...(token && { Authorization: `Bearer ${token}` }) };
      // The generated client's types are of another copy of undici.
      return { headers, dispatcher: context.getDispatcher() as unknown as Dispatcher | undefined };
    },
  };
}

/** The client's own reading of a token file is up to a minute old, and a token may be refused from one moment on. */
async function tokenOf(config: KubeConfig): Promise<string | undefined> {
  const provider: unknown = config.getCurrentUser()?.authProvider;
  const { config: settings } = (provider ?? {}) as { config?: { tokenFile?: unknown } };
  if (typeof settings?.tokenFile !== 'string') return undefined;
  return (await readFile(settings.tokenFile, 'utf8')).trim();
}
