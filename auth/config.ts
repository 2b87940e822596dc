import { z } from 'zod';
import type { Settings } from '../runtime/config.ts';
import { parseTrustedIssuer } from './workloads/trusted-issuer.ts';

const wellKnownIssuers = ['github=https://token.actions.githubusercontent.com', 'gitlab=https://gitlab.com'];

/** What an operator may set; the composition root adds the folders and the addresses. */
export const authSettings = {
  ciIssuers: {
    env: 'TOWLINE_CI_ISSUERS',
    schema: z
      .string()
      .transform((text) => (text === 'none' ? [] : text.split(',').map((part) => part.trim())))
      .refine(
        (parts) => parts.every((part) => parseTrustedIssuer(part) !== undefined),
        'must be "none" or a list like "github=https://token.actions.githubusercontent.com,gitlab=https://gitlab.example"',
      )
      .default(wellKnownIssuers),
    defaultText: 'GitHub Actions and gitlab.com',
    description:
      'Whose CI tokens may announce images, once an owner has bound a repository: `github=<issuer>` or `gitlab=<issuer>`, comma separated; `none` for nobody.',
  },
  ciAudience: {
    env: 'TOWLINE_CI_AUDIENCE',
    schema: z.string().min(1).max(500).optional(),
    defaultText: "the platform's address",
    description: 'What CI tokens have to be made for (`aud`).',
  },
} satisfies Settings;
