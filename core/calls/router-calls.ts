import { z } from 'zod';
import type { RouterAnswer } from '../routers.ts';
import { type CallContract, fields, text, textOrNull } from './call.ts';

/** What a router is asked by the builder. */
export const routerContract = {
  name: 'router',
  calls: {
    route: {
      input: fields<{ owner: string; environment: string; functionName: string }>({
        ...{ owner: text, environment: text, functionName: text },
      }),
      output: fields<RouterAnswer>({
        isKnown: z.boolean(),
        digest: textOrNull,
        stale: fields<NonNullable<RouterAnswer['stale']>>({ forMs: z.number(), cause: text }).nullable(),
      }),
      repeatable: true,
      // It looks into a table: whoever asks has others to ask.
      timeoutMs: 5_000,
    },
  },
} satisfies CallContract;
