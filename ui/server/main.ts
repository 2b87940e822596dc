import { runProgram } from '../../runtime/program/program.ts';
import { uiSettings } from './config.ts';
import { checkUi, openUi } from './program.ts';

await runProgram(process, { name: 'ui/server', settings: uiSettings, check: checkUi, open: openUi });
