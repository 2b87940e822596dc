import { createEventBus } from '../../runtime/event-bus.ts';
import { createLogger } from '../../runtime/logger.ts';
import { describeFunctionCatalog } from '../../test/contracts/function-catalog.contract.ts';
import { createWorkshop, desire, nodeServer } from './artifact-fixture.ts';
import { createSupervisor } from './index.ts';

describeFunctionCatalog('the local supervisor', async () => {
  const shop = await createWorkshop();
  let time = 1_000_000;
  const supervisor = await createSupervisor(
    {
      artifactsDir: shop.artifactsDir,
      stateDir: shop.stateDir,
      path: process.env['PATH'] ?? '',
      drainDelayMs: 10,
      idleAfterMs: 40,
    },
    { logger: createLogger({ level: 'silent', name: 'test' }), events: createEventBus(), now: () => time },
  );
  return {
    catalog: supervisor,
    async deploy(owner, functionName, answer, access = 'public') {
      const digest = await shop.build(nodeServer(answer));
      supervisor.apply(desire(digest, { owner, ownerId: `id-${owner}`, functionName, access }));
    },
    async deployBroken(owner, functionName, access = 'public') {
      const digest = await shop.build({ 'index.js': `throw new Error('broken')` });
      supervisor.apply(desire(digest, { owner, ownerId: `id-${owner}`, functionName, access }));
    },
    async remove(owner, functionName) {
      supervisor.remove(owner, functionName);
    },
    async sleep() {
      time += 1_000;
    },
    async [Symbol.asyncDispose]() {
      await supervisor[Symbol.asyncDispose]();
      await shop[Symbol.asyncDispose]();
    },
  };
});
