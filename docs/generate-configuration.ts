import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { localSettings } from '../local/config.ts';
import { settingsTable } from '../runtime/config.ts';

/** The text of docs/configuration.md; a test compares it with the file. */
export function configurationPage(): string {
  return `# Configuration

<!-- Generated from local/config.ts by "npm run docs:configuration"; a test keeps it in step. -->

All settings come from the environment; the rules of the installation (policy, environments, secrets) from one YAML
file, [environments.md](environments.md). Every problem is reported at once, with the variable's name;
\`npm start -- --check-config\` checks them and stops.

## The platform on one machine

${settingsTable(localSettings)}

The CLI \`towline\` reads \`TOWLINE_URL\`, \`TOWLINE_TOKEN\`, \`TOWLINE_OWNER\` and \`TOWLINE_DATA\`; on the machine of the
platform it finds the first two by itself.
`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, 'configuration.md'), configurationPage());
