import { z } from 'zod';
import type { Settings } from '../config.ts';
import { fileSetting } from './secret-file.ts';

/** What the platform's programs know each other by. */
export const serviceTokenSetting = {
  serviceTokenFile: {
    env: 'TOWLINE_SERVICE_TOKEN_FILE',
    schema: fileSetting().default('/etc/towline/service-token/tokens'),
    defaultText: '`/etc/towline/service-token/tokens`',
    description:
      'File with the tokens of calls between the programs, one a line: the first is sent, any is accepted. Read again when it changes.',
  },
} satisfies Settings;

const url = () =>
  z
    .url({ protocol: /^https?$/, error: 'must be as http://name:8081' })
    .transform((text) => new URL(text).origin);

/** Where the others answer. */
export const manifestWriterUrlSetting = {
  manifestWriterUrl: {
    env: 'TOWLINE_MANIFEST_WRITER_URL',
    schema: url().default('http://manifest-writer:8081'),
    defaultText: '`http://manifest-writer:8081`',
    description: 'Where the manifest-writer takes internal calls.',
  },
} satisfies Settings;

export const builderUrlSetting = {
  builderUrl: {
    env: 'TOWLINE_BUILDER_URL',
    schema: url().default('http://builder:8081'),
    defaultText: '`http://builder:8081`',
    description: 'Where the builder takes internal calls.',
  },
} satisfies Settings;

export const authUrlSetting = {
  authUrl: {
    env: 'TOWLINE_AUTH_URL',
    schema: url().default('http://auth:8081'),
    defaultText: '`http://auth:8081`',
    description: 'Where auth takes internal calls.',
  },
} satisfies Settings;

const urls = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .pipe(z.array(url()).min(1));

/** How the builder hears what the routers route by. */
export const routersSettings = {
  routerUrls: {
    env: 'TOWLINE_ROUTERS',
    schema: urls.optional(),
    defaultText: 'none: “live” is what the builder’s own catalog says',
    description:
      'Where the routers take internal calls, comma separated: every address of a name is a router, as of a headless Service. A deploy is live once all of them route by it.',
  },
  routerTokenFile: {
    env: 'TOWLINE_ROUTERS_TOKEN_FILE',
    schema: fileSetting().default('/etc/towline/router-token/tokens'),
    defaultText: '`/etc/towline/router-token/tokens`',
    description:
      'File with the routers’ own tokens, by which they are asked: the first is sent. Read again when it changes.',
  },
} satisfies Settings;
