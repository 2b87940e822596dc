import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { authProgramSettings } from '../auth/config.ts';
import { builderProgramSettings } from '../builder/program-config.ts';
import { localSettings } from '../local/config.ts';
import { manifestWriterSettings } from '../manifest-writer/config.ts';
import { routerProgramSettings } from '../router/config.ts';
import { type Settings, settingsTable } from '../runtime/config.ts';
import { programSettings } from '../runtime/program/program-settings.ts';
import { uiSettings } from '../ui/server/config.ts';

/** The settings of one program that are not every program's. */
function own(settings: Settings): string {
  const common = new Set(Object.keys(programSettings));
  return settingsTable(Object.fromEntries(Object.entries(settings).filter(([name]) => !common.has(name))));
}

/** The text of docs/configuration.md; a test compares it with the file. */
export function configurationPage(): string {
  return `# Configuration

<!-- Generated from the settings' tables by "npm run docs:configuration"; a test keeps it in step. -->

All settings come from the environment; the rules of the installation (policy, environments, secrets) from one YAML
file, [environments.md](environments.md). Every problem is reported at once, with the variable's name;
\`npm start -- --check-config\` checks them and stops.

## The platform on one machine

${settingsTable(localSettings)}

The CLI \`towline\` reads \`TOWLINE_URL\`, \`TOWLINE_TOKEN\`, \`TOWLINE_OWNER\` and \`TOWLINE_DATA\`; on the machine of the
platform it finds the first two by itself.

## The programs of a cluster

In a cluster each service is a program of its own: \`node router/main.ts\`. \`--check-config\` reads the settings and every
file that they name, and stops; \`--help\` lists them. A program ends with 2 if they make no sense, with 1 for any other
failure, each with one line on standard error, and with 0 after SIGTERM. Secrets come from files, which a cluster
mounts; where a file is read at the start, the program is restarted to read it again.

Every program has:

${settingsTable(programSettings)}

### router

${own(routerProgramSettings)}

### builder

${own(builderProgramSettings)}

### manifest-writer

${own(manifestWriterSettings)}

### auth

${own(authProgramSettings)}

Two commands for \`kubectl exec\`, beside the running program: \`node auth/main.ts create-owner <slug> [--id …] [--name …]
[--email …] [--operator]\` and \`node auth/main.ts login-link <owner>\`.

### ui/server

${own(uiSettings)}
`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, 'configuration.md'), configurationPage());
