import { readInstallationRules } from '../runtime/installation/installation.ts';
import { runProgram } from '../runtime/program/program.ts';
import { authProgramSettings } from './config.ts';
import { authCommands, openAuth } from './program.ts';

await runProgram(process, {
  name: 'auth',
  settings: authProgramSettings,
  check: ({ configFile }) => void readInstallationRules(configFile),
  open: openAuth,
  commands: authCommands,
});
