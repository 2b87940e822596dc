/**
 * A value shorter than this can't be masked in a log without masking half of the log, so it can't be a build secret.
 * In characters; the same goes for the single lines of a longer value.
 */
export const minSecretLength = 8;

/** Of one value. Kubernetes would mount 1 MiB, but every form of a value is searched for in the log. */
export const maxSecretBytes = 16_384;

/** What builds of an owner may read by `--mount=type=secret`; never written to records, images or logs. */
export interface BuildSecrets {
  /**
   * The value of an owner's secret; `undefined` if it has none of that name. Read anew each time, so that a changed
   * value counts from the next build on. Throws if it can't be read now.
   */
  value(ownerId: string, name: string): Promise<string | undefined>;
}
