import type { DeployCause } from '../../core/deploy.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { objectName } from '../../core/names.ts';
import type { ApplyFailure } from './flux-objects.ts';

const maxMessage = 500;

interface Kind {
  code: ErrorCode;
  words: string;
  /** `never`: the engine gets the same answer again. `waits`: nobody here can help it, and it passes by itself. */
  passes: 'never' | 'perhaps' | 'waits';
}

/** What the API server, or a project of Argo CD, says about the object itself; anything else may pass. */
const refusals =
  /is not permitted in project|\((?:Invalid|Forbidden|BadRequest|MethodNotAllowed|RequestEntityTooLarge)\)|no matches for kind|failed to create typed patch object/;

function kindOf({ reason, message }: ApplyFailure, engine: string): Kind {
  switch (reason) {
    case 'BuildFailed':
      return { code: 'manifest_refused', words: `${engine} cannot read the manifest`, passes: 'never' };
    case 'PruneFailed':
      return {
        code: 'unavailable',
        words: `${engine} cannot remove what is gone from git`,
        passes: 'perhaps',
      };
    case 'ArtifactFailed':
      return { code: 'unavailable', words: `${engine} cannot fetch the manifests`, passes: 'waits' };
    case 'DependencyNotReady':
      return { code: 'unavailable', words: `${engine} waits for something else`, passes: 'waits' };
    default:
      return refusals.test(message)
        ? { code: refusalCode(message), words: 'the cluster refuses the manifest', passes: 'never' }
        : { code: 'unavailable', words: `${engine} cannot apply the manifests`, passes: 'perhaps' };
  }
}

function refusalCode(message: string): ErrorCode {
  return message.includes('exceeded quota') ? 'policy_refused' : 'manifest_refused';
}

/** What an engine names in a message: `<Kind>/<namespace>/<object>` that the API server refused, or a file it cannot read. */
const namedObject =
  /\b[A-Z][A-Za-z]*\/(?:[a-z0-9.-]+\/)?([a-z0-9][a-z0-9.-]*) (?:dry-run failed|apply failed|not found|namespace not)/;
const namedFile = /["/]([a-z0-9][a-z0-9-]*)\.yaml\b/;

/**
 * The cause as the function's author is told it. One bad file stops the whole folder of its tenant, so a failure may be
 * about another function: it says so.
 */
export function causeOf(
  failure: ApplyFailure,
  { owner, functionName }: { owner: string; functionName: string },
  engine = 'Flux',
): { cause: DeployCause; passes: Kind['passes'] } {
  const { code, words, passes } = kindOf(failure, engine);
  const message = oneLine(failure.message);
  const object = namedObject.exec(message)?.[1];
  const file = object === undefined ? namedFile.exec(message)?.[1] : undefined;
  const isOurs = object === undefined ? file === functionName : object === objectName(owner, functionName);
  const culprit = object ?? (file === undefined ? undefined : `${file}.yaml`);
  if (culprit === undefined || isOurs) return { cause: { code, message: `${words}: ${message}` }, passes };
  const hint = `Nothing of ${owner} is applied until ${culprit} is right or gone; ${functionName} itself may be fine.`;
  return { cause: { code, message: `held up by ${culprit}: ${words}: ${message}`, hint }, passes };
}

/** Flux quotes paths of its own temporary folders, which change with every try and tell nobody anything. */
function oneLine(text: string): string {
  return text
    .replace(/\/\S*?\/kustomization-\d+\//g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, maxMessage);
}
