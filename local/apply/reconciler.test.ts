import path from 'node:path';
import { digestOf } from '../../core/names.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { createLogger } from '../../runtime/logger.ts';
import { type Asked, describeReconciler } from '../../test/contracts/reconciler.contract.ts';
import { createWorkshop, desire, nodeServer } from '../functions/artifact-fixture.ts';
import { createSupervisor } from '../functions/index.ts';
import { createGitOpsFixture, manifestOf } from './gitops-fixture.ts';
import { createApplyLoop } from './index.ts';

describeReconciler('the local apply loop', async () => {
  const shop = await createWorkshop();
  const searchPath = process.env['PATH'] ?? '';
  const repository = await createGitOpsFixture(path.dirname(shop.stateDir), searchPath);
  const deps = { logger: createLogger({ level: 'silent', name: 'test' }), events: createEventBus() };
  const supervisor = await createSupervisor(
    { artifactsDir: shop.artifactsDir, stateDir: shop.stateDir, path: searchPath, drainDelayMs: 10 },
    deps,
  );
  const loop = await createApplyLoop(
    { gitopsPath: repository.gitopsPath, branch: 'main', pollMs: 3_600_000, path: searchPath },
    { ...deps, supervisor },
  );
  await loop.start();

  async function manifest(owner: string, functionName: string, asked: Asked): Promise<string | null> {
    if ('removed' in asked) return null;
    if ('unreadable' in asked) return 'kind: [';
    const files = 'answer' in asked ? nodeServer(asked.answer) : { 'index.js': `throw new Error('broken')` };
    return manifestOf(desire(await shop.build(files), { owner, ownerId: `id-${owner}`, functionName }));
  }

  return {
    reconciler: loop,
    async commit(owner, functionName, asked) {
      const text = await manifest(owner, functionName, asked);
      const commit = await repository.commit({ [`tenants/${owner}/${functionName}.yaml`]: text });
      const image = /image: (\S+)/.exec(text ?? '')?.[1] ?? '';
      const digest = text === null ? null : (digestOf(image) ?? `sha256:${'0'.repeat(64)}`);
      return { owner, functionName, commit, digest };
    },
    async served(owner, functionName) {
      const origin = supervisor.lookup(owner, functionName)?.targets[0]?.origin;
      return origin === undefined ? undefined : (await fetch(origin)).text();
    },
    async [Symbol.asyncDispose]() {
      await loop[Symbol.asyncDispose]();
      await supervisor[Symbol.asyncDispose]();
      await shop[Symbol.asyncDispose]();
    },
  };
});
