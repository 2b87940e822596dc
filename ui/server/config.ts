import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { ConfigOf, Settings } from '../../runtime/config.ts';
import { installationFileSetting } from '../../runtime/installation/installation.ts';
import { clusterSettings } from '../../runtime/kubernetes/cluster-settings.ts';
import { addressSettings } from '../../runtime/program/address-settings.ts';
import { programSettings, publicPortSetting } from '../../runtime/program/program-settings.ts';
import { fileSetting } from '../../runtime/program/secret-file.ts';
import {
  authUrlSetting,
  builderUrlSetting,
  manifestWriterUrlSetting,
  serviceTokenSetting,
} from '../../runtime/program/service-settings.ts';

const builtDashboard = fileURLToPath(new URL('../web/dist', import.meta.url));

/** Every setting of the program. */
export const uiSettings = {
  ...publicPortSetting,
  ...programSettings,
  ...serviceTokenSetting,
  ...authUrlSetting,
  ...builderUrlSetting,
  ...manifestWriterUrlSetting,
  ...installationFileSetting,
  ...addressSettings,
  ...clusterSettings,
  gitUrl: {
    env: 'TOWLINE_GIT_URL',
    schema: z
      .url({ protocol: /^https?$/, error: 'must be a URL' })
      .default('https://github.com')
      .transform((text) => text.replace(/\/+$/, '')),
    defaultText: '`https://github.com`',
    description: 'Where people push their sources: shown to those who have no function yet.',
  },
  ciAudience: {
    env: 'TOWLINE_CI_AUDIENCE',
    schema: z.string().min(1).max(500).optional(),
    defaultText: "the platform's address",
    description: 'What CI tokens have to be made for (`aud`); the same as auth’s.',
  },
  webDir: {
    env: 'TOWLINE_WEB_DIR',
    schema: fileSetting().default(builtDashboard),
    defaultText: '`ui/web/dist` of the program',
    description: 'Folder of the built dashboard.',
  },
} satisfies Settings;

export type UiConfig = ConfigOf<typeof uiSettings>;
