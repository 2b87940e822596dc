import { runProgram } from '../runtime/program/program.ts';
import { checkBuilder, openBuilder } from './program.ts';
import { builderProgramSettings } from './program-config.ts';

await runProgram(process, {
  name: 'builder',
  settings: builderProgramSettings,
  check: checkBuilder,
  open: openBuilder,
});
