import type { PipelineContext } from './pipeline-context.ts';

const historyDepth = 30;

/** "; version #1 stays live", if the catalog says that something is served; else nothing is claimed. */
export async function whatStays(
  context: PipelineContext,
  place: { owner: string; environment?: string | undefined; functionName: string },
): Promise<string> {
  const { owner, environment, functionName } = place;
  const image = context.catalogOf(environment)?.lookup(owner, functionName)?.image;
  if (!image) return '';
  try {
    const history = await context.manifestWriter.history({
      owner,
      environment,
      functionName,
      limit: historyDepth,
    });
    const served = history.find((entry) => entry.image === image && entry.present);
    return served ? `; version #${served.number} stays live` : '; the version before stays live';
  } catch (error) {
    context.logger.warn({ err: error, owner, functionName }, 'the history could not be read');
    return '; the version before stays live';
  }
}
