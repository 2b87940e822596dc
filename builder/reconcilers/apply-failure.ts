import type { DeployCause } from '../../core/deploy.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { objectName } from '../../core/names.ts';
import type { ApplyFailure } from './flux-objects.ts';

const maxMessage = 500;

interface Kind {
  code: ErrorCode;
  words: string;
  /** Flux gets the same answer again, however often it tries. */
  isFinal: boolean;
}

/** What the API server says about the object itself; anything else may pass. */
const refusals =
  /\((?:Invalid|Forbidden|BadRequest|MethodNotAllowed|RequestEntityTooLarge)\)|no matches for kind|failed to create typed patch object/;

function kindOf({ reason, message }: ApplyFailure): Kind {
  if (reason === 'BuildFailed')
    return { code: 'manifest_refused', words: 'Flux cannot read the manifest', isFinal: true };
  if (reason === 'PruneFailed')
    return { code: 'unavailable', words: 'Flux cannot remove what is gone from git', isFinal: false };
  if (reason === 'ArtifactFailed')
    return { code: 'unavailable', words: 'Flux cannot fetch the manifests', isFinal: false };
  if (refusals.test(message)) {
    const words = 'the cluster refuses the manifest';
    return {
      code: /exceeded quota/.test(message) ? 'policy_refused' : 'manifest_refused',
      words,
      isFinal: true,
    };
  }
  return { code: 'unavailable', words: 'Flux cannot apply the manifests', isFinal: false };
}

/** What Flux names in a message: `<Kind>/<namespace>/<object>` that the API server refused, or a file it cannot read. */
const namedObject =
  /\b[A-Z][A-Za-z]*\/(?:[a-z0-9.-]+\/)?([a-z0-9][a-z0-9.-]*) (?:dry-run failed|apply failed|not found|namespace not)/;
const namedFile = /\/([a-z0-9][a-z0-9-]*)\.yaml\b/;

/**
 * The cause as the function's author is told it. One bad file stops the whole folder of its tenant, so a failure may be
 * about another function: it says so.
 */
export function causeOf(
  failure: ApplyFailure,
  { owner, functionName }: { owner: string; functionName: string },
): { cause: DeployCause; isFinal: boolean } {
  const { code, words, isFinal } = kindOf(failure);
  const message = oneLine(failure.message);
  const object = namedObject.exec(message)?.[1];
  const file = object === undefined ? namedFile.exec(message)?.[1] : undefined;
  const isOurs = object === undefined ? file === functionName : object === objectName(owner, functionName);
  const culprit = object ?? (file === undefined ? undefined : `${file}.yaml`);
  if (culprit === undefined || isOurs) return { cause: { code, message: `${words}: ${message}` }, isFinal };
  const hint = `Nothing of ${owner} is applied until ${culprit} is right or gone; ${functionName} itself may be fine.`;
  return { cause: { code, message: `held up by ${culprit}: ${words}: ${message}`, hint }, isFinal };
}

/** Flux quotes paths of its own temporary folders, which change with every try and tell nobody anything. */
function oneLine(text: string): string {
  return text
    .replace(/\/\S*?\/kustomization-\d+\//g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, maxMessage);
}
