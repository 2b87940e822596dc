import { z } from 'zod';

/** One method of a contract as it crosses from one process to another. */
export interface Call {
  /** What the server would drop of it is refused: an intent of which a part is not understood must not be carried out. */
  input: z.ZodType;
  /** What is told while the call goes on, if there is anything to tell. */
  item?: z.ZodType | undefined;
  output: z.ZodType;
  /** Asked again it does nothing twice and answers the same: a lost answer may be asked for again. */
  repeatable: boolean;
  /** Goes on until the caller has had enough. */
  endless?: true | undefined;
  /** Milliseconds for the whole answer; not given: as long as the other side shows signs of life. */
  timeoutMs?: number | undefined;
}

/** A contract between services: its name is a part of the path, as are the names of its calls. */
export interface CallContract {
  name: string;
  calls: Record<string, Call>;
}

type Shape<T> = { [K in keyof Required<T>]: z.ZodType<T[K]> };

/**
 * An object with these fields. A field of `T` that is forgotten here, an optional one too, does not compile. Others are
 * dropped: whoever sends may have more than is asked for, and a newer version may answer more.
 */
export function fields<T>(shape: Shape<T>): z.ZodType<T> {
  return z.object(shape) as unknown as z.ZodType<T>;
}

export const text = z.string();
export const maybeText = text.optional();
export const textOrNull = text.nullable();
/** Milliseconds since the epoch. */
export const time = z.number();
/** Longer than any lookup takes. */
export const readTimeoutMs = 60_000;
