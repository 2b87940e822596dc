import { setTimeout as wait } from 'node:timers/promises';
import { routerProgramSettings } from '../../router/config.ts';
import { openRouters } from '../../router/program.ts';
import { serviceAccountAccess } from '../../runtime/kubernetes/cluster-access.ts';
import { createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { runProgram } from '../../runtime/program/program.ts';
import { given, tellSynced } from './follower.ts';

// The whole program as router/main.ts runs it, but that its service account lies elsewhere than in a pod.
const { account, server } = given();
process.argv.splice(2);
const started = performance.now();
const pollMs = 20;

await runProgram(process, {
  name: 'router',
  settings: routerProgramSettings,
  async open(config, context) {
    const connect = () => createClusterApi(serviceAccountAccess({ dir: account, server }));
    const program = await openRouters(config, context, connect);
    const synced = async () => {
      while (program.whyNotReady() !== undefined) await wait(pollMs);
      await tellSynced(started);
    };
    return { ...program, start: synced };
  },
});
