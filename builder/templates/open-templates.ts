import { loadTemplates } from './load-templates.ts';
import type { TemplateCatalog } from './template.ts';
import { createTemplateCatalog } from './template-catalog.ts';
import type { TemplateLocation } from './template-location.ts';
import { createGitTemplateSource } from './template-source-git.ts';

export interface TemplatesConfig {
  /** The templates that the installation brings along: `<language>/template.yml` and files. */
  bundledDir: string;
  /** For templates from git; a folder of its own. */
  cacheDir: string;
  /** `PATH` of the git processes. */
  path: string;
  templateSources: readonly string[];
  templateRepositories: readonly TemplateLocation[];
  localTemplates: boolean;
}

/** All the templates of an installation: those it brings, and those from git repositories that it allows. */
export async function openTemplates(config: TemplatesConfig): Promise<TemplateCatalog> {
  return createTemplateCatalog({
    bundled: await loadTemplates(config.bundledDir),
    source: await createGitTemplateSource({ cacheDir: config.cacheDir, path: config.path }),
    policy: {
      allowedSources: config.templateSources,
      repositories: config.templateRepositories,
      allowsLocal: config.localTemplates,
    },
  });
}
