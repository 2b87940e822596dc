import { runProgram } from '../runtime/program/program.ts';
import { manifestWriterSettings } from './config.ts';
import { openManifestWriter, writerConfig } from './program.ts';

await runProgram(process, {
  name: 'manifest-writer',
  settings: manifestWriterSettings,
  check: (config) => void writerConfig(config, ''),
  open: openManifestWriter,
});
