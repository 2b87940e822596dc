import { readInstallationRules } from '../runtime/installation/installation.ts';
import { runProgram } from '../runtime/program/program.ts';
import { checkServiceTokens } from '../runtime/services/service-access.ts';
import { authProgramSettings } from './config.ts';
import { authCommands, openAuth } from './program.ts';

await runProgram(process, {
  name: 'auth',
  settings: authProgramSettings,
  check({ configFile, serviceTokenFile }) {
    readInstallationRules(configFile);
    checkServiceTokens(serviceTokenFile);
  },
  open: openAuth,
  commands: authCommands,
});
