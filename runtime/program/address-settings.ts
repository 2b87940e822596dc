import { z } from 'zod';
import type { ServedEnvironment } from '../../core/environments.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type { Settings } from '../config.ts';

const hostName = /^(?=.{1,200}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** An origin and nothing else: no path, no user, no query. */
function originOf(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isOrigin = /^https?:$/.test(url.protocol) && (text === url.origin || text === `${url.origin}/`);
  return isOrigin ? url.origin : undefined;
}

export const addressSettings = {
  publicOrigin: {
    env: 'TOWLINE_PUBLIC_ORIGIN',
    schema: z
      .string('must be set, as https://towline.example.com')
      .refine((text) => originOf(text) !== undefined, 'must be an origin, as https://towline.example.com')
      .transform((text) => originOf(text) ?? text),
    defaultText: 'has to be set',
    description: 'Where people and forges reach the platform, as `https://towline.example.com`.',
  },
  rootDomain: {
    env: 'TOWLINE_ROOT_DOMAIN',
    schema: z.string().regex(hostName, 'must be a host name in lower case').optional(),
    defaultText: 'the host of `TOWLINE_PUBLIC_ORIGIN`',
    description:
      'Functions answer at `<owner>.<root domain>`, those of another environment at `<owner>.<environment>.<root domain>`.',
  },
} satisfies Settings;

export interface Addresses {
  publicOrigin: string;
  rootDomain: string | undefined;
}

/** Functions of the environment answer at `<owner>.<this>`: no owner can be called as an environment. */
export function rootDomainOf({ publicOrigin, rootDomain }: Addresses, environment: string): string {
  const root = rootDomain ?? new URL(publicOrigin).hostname;
  return environment === defaultEnvironment ? root : `${environment}.${root}`;
}

/** As `https://alice.staging.example.com/hello`. */
export function functionUrlsOf(addresses: Addresses, environment: string): ServedEnvironment['functionUrl'] {
  const { protocol, port } = new URL(addresses.publicOrigin);
  const root = rootDomainOf(addresses, environment);
  const host = port === '' ? root : `${root}:${port}`;
  return (owner, functionName) => `${protocol}//${owner}.${host}/${functionName}`;
}
