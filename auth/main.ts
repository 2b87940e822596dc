import { auditWebhookOf } from '../runtime/audit/audit-settings.ts';
import { readInstallationRules } from '../runtime/installation/installation.ts';
import { runProgram } from '../runtime/program/program.ts';
import { checkServiceTokens } from '../runtime/services/service-access.ts';
import { authProgramSettings } from './config.ts';
import { authCommands, openAuth } from './program.ts';

await runProgram(process, {
  name: 'auth',
  settings: authProgramSettings,
  check(config) {
    readInstallationRules(config.configFile);
    checkServiceTokens(config.serviceTokenFile);
    auditWebhookOf(config);
  },
  open: openAuth,
  commands: authCommands,
});
