import type { z } from 'zod';
import type { Call } from '../../core/calls/call.ts';
import { TowlineError } from '../../core/errors.ts';
import { linesOf } from './answer-lines.ts';
import { CallFault } from './call-fault.ts';
import { answerType, type CallLine, fromWire, maxLineBytes, parseLine, type WireError } from './wire.ts';

interface Answer {
  statusCode: number;
  headers: Record<string, string | string[] | undefined>;
  body: AsyncIterable<Buffer>;
}

interface Asked {
  call: Call;
  service: string;
}

const sameVersions = 'all programs of an installation have to be of the same version';

/** What a call tells, and in the end its result. Throws what the method threw, or a `CallFault`. */
export async function* answersOf(answer: Answer, { call, service }: Asked): AsyncGenerator<unknown, unknown> {
  if (answer.headers['content-type'] !== answerType) {
    throw new CallFault(`something else answered, with status ${answer.statusCode}`, false);
  }
  for await (const json of linesOf(answer.body, maxLineBytes)) {
    const line = lineOf(json);
    switch (line.type) {
      case 'item':
        yield checked(call.item, line.value, service);
        break;
      case 'result':
        return checked(call.output, line.value, service);
      case 'error':
        throw fromWire(line.error);
      case 'refused':
        throw refusal(line.error, service);
    }
  }
  throw new CallFault('the answer ended before its end', false);
}

/** A line that is none is as good as no answer. */
function lineOf(json: string): CallLine {
  try {
    return parseLine(json);
  } catch (error) {
    throw new CallFault('the answer is not understood', false, error);
  }
}

function checked(schema: z.ZodType | undefined, value: unknown, service: string): unknown {
  const result = schema?.safeParse(value);
  if (result?.success) return result.data;
  throw new TowlineError('unavailable', `the ${service} answered something that is not understood`, {
    cause: result?.error,
    hint: sameVersions,
  });
}

function refusal(error: WireError, service: string): Error {
  const { code, message } = error;
  if (code === 'too_large') return fromWire(error);
  // An unknown token is the installation's fault and never the requester's; the other side may only not know it yet.
  if (code === 'unavailable' || code === 'unauthenticated') return new CallFault(message, true);
  return new TowlineError('unavailable', `the ${service} does not understand the call: ${message}`, {
    hint: sameVersions,
  });
}
