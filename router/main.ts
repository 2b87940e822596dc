import { readInstallationRules } from '../runtime/installation/installation.ts';
import { runProgram } from '../runtime/program/program.ts';
import { checkServiceTokens } from '../runtime/services/service-access.ts';
import { routerProgramSettings } from './config.ts';
import { openRouters } from './program.ts';

await runProgram(process, {
  name: 'router',
  settings: routerProgramSettings,
  check({ configFile, builderUrl, serviceTokenFile }) {
    readInstallationRules(configFile);
    if (builderUrl !== undefined) checkServiceTokens(serviceTokenFile);
  },
  open: openRouters,
});
