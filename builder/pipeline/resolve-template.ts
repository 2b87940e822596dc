import { TowlineError } from '../../core/errors.ts';
import type { StackFunction } from '../stack/stack.ts';
import type { Template } from '../templates/template.ts';
import type { PipelineContext } from './pipeline-context.ts';

/** The language that brings its own Dockerfile instead of a template's; faas-cli takes it in any case. */
const dockerfileLanguage = 'dockerfile';

/** The template of a function's language; `null` if its folder brings a Dockerfile of its own. */
export async function resolveTemplate(context: PipelineContext, fn: StackFunction): Promise<Template | null> {
  if (fn.lang.toLowerCase() === dockerfileLanguage) return null;
  const template = context.templates.find(fn.lang);
  if (template) return template;
  throw new TowlineError('language_unknown', `there is no template for "${fn.lang}"`, {
    place: fn.place,
    hint: `use one of: ${context.templates.languages().join(', ')}`,
  });
}
