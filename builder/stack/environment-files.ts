import type { DeployCause } from '../../core/deploy.ts';
import type { SourcePlace } from '../../core/errors.ts';
import { plainRelativePath } from '../context/repository-path.ts';
import { type Findings, quoted } from './findings.ts';
import { readEnvironment } from './function-fields.ts';
import { unknownKey } from './nearest-name.ts';
import { readRepositoryFile, whyUnreadable } from './repository-file.ts';
import { parseYaml } from './yaml-source.ts';
import { readEntries } from './yaml-values.ts';

const shape = 'write "environment:" and below it, indented, one "NAME: value" a line';
const maxFiles = 20;

/** Reads a function's `environment_file` list; a later file goes over an earlier one. A cause means: refuse the function. */
export async function readEnvironmentFiles(
  root: string,
  files: { text: string; place: SourcePlace }[],
  findings: Findings,
): Promise<{ environment: Record<string, string> } | { cause: DeployCause }> {
  const environment = new Map<string, string>();
  for (const [index, { text, place }] of files.entries()) {
    const path = plainRelativePath(text);
    if (path === undefined) return { cause: escapes(text, place, 'leads out of the repository') };
    if (index >= maxFiles) {
      findings.problem(place, `environment_file lists more than ${maxFiles} files`);
      break;
    }
    const file = await readRepositoryFile(root, path);
    if (file.text === undefined) {
      if (file.why === 'escapes' || file.why === 'git') {
        return { cause: escapes(text, place, whyUnreadable(file)) };
      }
      findings.problem(place, `the environment file ${quoted(text)} ${whyUnreadable(file)}`);
      continue;
    }
    for (const [name, value] of readOne(path, file.text, findings)) environment.set(name, value);
  }
  return { environment: Object.fromEntries(environment) };
}

function escapes(text: string, place: SourcePlace, why: string): DeployCause {
  const message = `the environment file ${quoted(text)} ${why}`;
  return {
    code: 'path_escapes',
    message,
    place,
    hint: 'name a file of this repository, relative to its root',
  };
}

function readOne(file: string, text: string, findings: Findings): [string, string][] {
  const source = parseYaml({ file, text, findings, substitute: false });
  if (!source) return [];
  const entries = readEntries(source, source.root, 'an environment file', shape) ?? [];
  const found = entries.find((entry) => entry.key === 'environment');
  if (!found) findings.problem({ file }, 'an environment file needs a key "environment"', shape);
  for (const entry of entries) {
    if (entry !== found) findings.warn(entry.place, unknownKey('the key', entry.key, ['environment']));
  }
  return found ? Object.entries(readEnvironment(source, found)) : [];
}
