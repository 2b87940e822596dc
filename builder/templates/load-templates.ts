import { TowlineError } from '../../core/errors.ts';
import type { TemplateCatalog } from './template.ts';

/** Reads every `<dir>/<language>/template.yml`. Throws `config_invalid` naming the file that is wrong. */
export async function loadTemplates(dir: string): Promise<TemplateCatalog> {
  throw new TowlineError('internal', `not built yet: ${dir}`);
}
