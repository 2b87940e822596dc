import { z } from 'zod';
import { auditSettings } from '../runtime/audit/audit-settings.ts';
import { integerSetting, type Settings } from '../runtime/config.ts';
import { installationFileSetting } from '../runtime/installation/installation.ts';
import { addressSettings } from '../runtime/program/address-settings.ts';
import { dataSetting, programSettings, publicPortSetting } from '../runtime/program/program-settings.ts';
import { serviceTokenSetting } from '../runtime/program/service-settings.ts';
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

const minute = 60_000;
const { publicOrigin } = addressSettings;

/** Every setting of the program. */
export const authProgramSettings = {
  ...publicPortSetting,
  ...programSettings,
  ...dataSetting,
  ...serviceTokenSetting,
  ...installationFileSetting,
  ...auditSettings,
  publicOrigin,
  sessionTtlMs: {
    env: 'TOWLINE_SESSION_TTL_MS',
    schema: integerSetting({ min: minute, max: 90 * 24 * 60 * minute, default: 12 * 60 * minute }),
    defaultText: '43200000 (12 hours)',
    description: 'How long a login lasts, in milliseconds.',
  },
  ticketTtlMs: {
    env: 'TOWLINE_LOGIN_LINK_TTL_MS',
    schema: integerSetting({ min: 10_000, max: 24 * 60 * minute, default: 10 * minute }),
    defaultText: '600000 (10 minutes)',
    description: 'How long a one-time login link works, in milliseconds.',
  },
  ...authSettings,
} satisfies Settings;
