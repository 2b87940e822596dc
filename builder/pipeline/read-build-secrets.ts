import { TowlineError } from '../../core/errors.ts';
import { minSecretLength } from '../secrets/build-secrets.ts';
import type { StackFunction } from '../stack/stack.ts';
import type { PipelineContext } from './pipeline-context.ts';

/** Bytes, of all secrets of one function. */
const maxTogether = 32_768;

async function readSecret(
  context: PipelineContext,
  asked: { ownerId: string; fn: StackFunction; name: string },
): Promise<string> {
  const { ownerId, fn, name } = asked;
  const value = await context.buildSecrets?.value(ownerId, name);
  if (value === undefined) {
    throw new TowlineError(
      'secret_missing',
      `"${fn.name}" needs the build secret "${name}", which is not there`,
      {
        place: fn.place,
        hint: 'have the operator of the installation add it for this owner, or take it out of build_secrets',
      },
    );
  }
  if (value.length < minSecretLength) {
    throw new TowlineError(
      'policy_refused',
      `the build secret "${name}" is shorter than ${minSecretLength} characters and could not be hidden in the log`,
      { place: fn.place, hint: 'make it longer; what is not secret can be a build argument' },
    );
  }
  return value;
}

/** The values of a function's build secrets by id. Throws `secret_missing` or `policy_refused` with the place. */
export async function readBuildSecrets(
  context: PipelineContext,
  ownerId: string,
  fn: StackFunction,
): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  let bytes = 0;
  for (const [id, name] of Object.entries(fn.buildSecrets)) {
    const value = await readSecret(context, { ownerId, fn, name });
    bytes += Buffer.byteLength(value);
    values[id] = value;
  }
  if (bytes <= maxTogether) return values;
  throw new TowlineError(
    'policy_refused',
    `the build secrets of "${fn.name}" are larger than ${maxTogether} bytes together`,
    { place: fn.place },
  );
}
