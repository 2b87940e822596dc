import type { StackFunction } from '../stack/stack.ts';
import type { Template, TemplateRequest } from '../templates/template.ts';
import type { PipelineContext } from './pipeline-context.ts';

/**
 * The template a function is built with; `null` if it brings its own Dockerfile or is not built at all. Throws as
 * `TemplateCatalog.resolve` does: what passes by itself is waited out by the caller.
 */
export async function resolveTemplate(
  context: PipelineContext,
  fn: StackFunction,
  request: Omit<TemplateRequest, 'place'>,
): Promise<Template | null> {
  if (fn.skipBuild) return null;
  return context.templates.resolve(fn.lang, { ...request, place: fn.langPlace ?? fn.place });
}
