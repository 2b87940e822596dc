import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import type { Template } from '../templates/template.ts';

/** Throws `build_failed` if none of the files is there that the template's program starts at. */
export async function requireEntry(contextDir: string, template: Template): Promise<void> {
  if (!template.entryFiles) return;
  for (const file of template.entryFiles) {
    const there = await access(join(contextDir, file)).then(
      () => true,
      () => false,
    );
    if (there) return;
  }
  const names = template.entryFiles.map((file) => file.slice(file.lastIndexOf('/') + 1));
  throw new TowlineError('build_failed', `the handler folder has no ${names[0]}`, {
    hint: `the language "${template.language}" starts at ${names.join(' or ')}`,
  });
}
