import { auditWebhookOf } from '../runtime/audit/audit-settings.ts';
import { runProgram } from '../runtime/program/program.ts';
import { checkServiceTokens } from '../runtime/services/service-access.ts';
import { manifestWriterSettings } from './config.ts';
import { openManifestWriter, writerConfig } from './program.ts';

await runProgram(process, {
  name: 'manifest-writer',
  settings: manifestWriterSettings,
  check(config) {
    writerConfig(config, '');
    checkServiceTokens(config.serviceTokenFile);
    auditWebhookOf(config);
  },
  open: openManifestWriter,
});
