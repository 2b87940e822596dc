import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { tenantNamespace } from '../core/tenants.ts';
import { createManifestWriter } from '../manifest-writer/create-manifest-writer.ts';
import { committer, deployIntent } from '../manifest-writer/gitops-fixture.ts';
import {
  type AppliedInstallation,
  kustomizations,
  startInstallation,
} from '../manifest-writer/installation/installed-fixture.ts';
import { createClusterApi } from '../runtime/kubernetes/cluster-api.ts';
import { createLogger } from '../runtime/logger.ts';
import { clientOf } from '../test/cluster/kubernetes/apply.ts';
import { percentile, report } from './figures.ts';

/*
 * What a new user sees: from the first deploy of an owner whom nobody knew, beside others who are set up already, to the
 * function's object in the API server, by real Flux with what init-gitops renders; and the same for the owner's second one.
 */

const { values } = parseArgs({
  options: {
    tenants: { type: 'string', default: '50' },
    newcomers: { type: 'string', default: '5' },
    delivery: { type: 'string', default: 'published' },
    setup: { type: 'string', default: '900' },
  },
});
const tenants = Number(values.tenants);
const searchPath = process.env['PATH'] ?? '';
const say = (line: string) => process.stderr.write(`# ${line}\n`);
const pollMs = 25;

async function openWriter({ plane, dir, url, tokenOf, look }: AppliedInstallation) {
  const token = await tokenOf('manifest-writer');
  return createManifestWriter(
    {
      ...{ remoteUrl: url, clonePath: join(dir, 'writer.git'), branch: 'main', committer },
      ...{ namespace: 'openfaas-fn', path: searchPath, provisioning: { tenants: 'automatic' } },
      ...(values.delivery === 'published'
        ? {
            publishing: {
              ...{ namespace: 'flux-system', branch: 'main', dir: join(dir, 'artifacts') },
              listen: { host: '127.0.0.1', port: 0 },
            },
          }
        : {}),
    },
    {
      cluster: createClusterApi(clientOf(await plane.kubeconfig(token))),
      logger: createLogger({ name: 'bench', level: 'error' }),
      onPushed: () => void look().catch(() => {}),
    },
  );
}

/** Every tenant's namespace is there, with what applies the tenant's folder. */
async function followed({ api }: AppliedInstallation): Promise<void> {
  const deadline = Date.now() + Number(values.setup) * 1000;
  for (let told = 0; ; await wait(500)) {
    const { items } = await api.request<{ items: { metadata: { name: string } }[] }>(kustomizations);
    const count = items.filter(({ metadata }) => metadata.name.startsWith('tenant-')).length;
    if (count >= tenants) return;
    if (Date.now() > deadline) throw new Error(`${count} of ${tenants} tenants were set up in time`);
    if (Date.now() - told > 15_000) {
      told = Date.now();
      say(`${count} of ${tenants} tenants are set up`);
    }
  }
}

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const known = Array.from({ length: tenants }, (_, index) => `tenant-${index}`);
  const settings = { delivery: values.delivery, tenants: known };
  const installation = stack.use(await startInstallation(settings, searchPath));
  const writer = stack.use(await openWriter(installation));
  await followed(installation);

  async function deploy(owner: string, source: string): Promise<number> {
    const sent = performance.now();
    const outcome = await writer.deploy(deployIntent({ owner, functionName: 'hello', source }));
    if (outcome.type !== 'pushed') throw new Error(`not pushed: ${JSON.stringify(outcome)}`);
    const digest = source.repeat(64);
    for (;;) {
      const image = await installation.imageIn(tenantNamespace(owner), `${owner}-hello`);
      if (image?.endsWith(digest)) return performance.now() - sent;
      await wait(pollMs);
    }
  }

  const first: number[] = [];
  const later: number[] = [];
  for (let index = 0; index < Number(values.newcomers); index++) {
    const owner = `newcomer-${index}`;
    first.push(await deploy(owner, '1'));
    later.push(await deploy(owner, '2'));
    say(`${owner}: ${Math.round(first.at(-1) ?? 0)} ms, then ${Math.round(later.at(-1) ?? 0)} ms`);
  }
  report({
    ...{ bench: 'first-function', tenants, delivery: values.delivery, newcomers: first.length },
    ...{ first_p50_ms: percentile(first, 0.5), first_max_ms: percentile(first, 1) },
    ...{ later_p50_ms: percentile(later, 0.5), later_max_ms: percentile(later, 1) },
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  });
}

await main();
process.exit(0);
