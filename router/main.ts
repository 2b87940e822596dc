import { readInstallationRules } from '../runtime/installation/installation.ts';
import { runProgram } from '../runtime/program/program.ts';
import { routerProgramSettings } from './config.ts';
import { openRouters } from './program.ts';

await runProgram(process, {
  name: 'router',
  settings: routerProgramSettings,
  check: ({ configFile }) => void readInstallationRules(configFile),
  open: openRouters,
});
