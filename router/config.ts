import { z } from 'zod';
import { integerSetting, type Settings } from '../runtime/config.ts';
import { installationFileSetting } from '../runtime/installation/installation.ts';
import { clusterSettings } from '../runtime/kubernetes/cluster-settings.ts';
import { addressSettings } from '../runtime/program/address-settings.ts';
import { programSettings, publicPortSetting } from '../runtime/program/program-settings.ts';
import { builderUrlSetting, serviceTokenSetting } from '../runtime/program/service-settings.ts';

/** What the router needs to know; times are milliseconds, 0 switches a limit off where it says so. */
export interface RouterConfig {
  /** `localhost`: functions answer at `<owner>.<rootDomain>`. */
  rootDomain: string;
  /** The platform's own origin, whose path form is `<publicOrigin><pathPrefix><owner>/<function>`. */
  publicOrigin: string;
  /** `/~` */
  pathPrefix: string;
  /** Names of cookies that never reach a function and that no function may set. */
  platformCookies: readonly string[];
  /** Addresses or CIDR ranges of proxies whose `X-Forwarded-*` are believed. */
  trustedProxies: readonly string[];
  /** For one dial; refused dials are repeated within the same time again. */
  connectTimeoutMs: number;
  /** From the request's end to the first byte of the answer. */
  headersTimeoutMs: number;
  /** Silence in the middle of a body, either way; not for event streams. 0: none. */
  bodyIdleTimeoutMs: number;
  /** How long a request waits for a sleeping function. */
  wakeTimeoutMs: number;
  /** Silence on an upgraded connection. 0: none. */
  tunnelIdleTimeoutMs: number;
  /** Largest header block of a function's answer, in bytes. Requests: see `serverOptions`. */
  maxHeaderBytes: number;
  /** Largest request body, in bytes. 0: none. */
  maxBodyBytes: number;
  /** Requests in flight to one target; more are refused with 503. */
  maxInFlight: number;
  /** Requests waiting for one sleeping function; more are refused with 503. */
  maxWaiting: number;
}

/** What holds unless said otherwise; the origin and the cookies have no default. */
export const routerDefaults = {
  rootDomain: 'localhost',
  publicOrigin: 'http://localhost:8080',
  pathPrefix: '/~',
  platformCookies: [],
  trustedProxies: [],
  connectTimeoutMs: 1_000,
  headersTimeoutMs: 60_000,
  bodyIdleTimeoutMs: 300_000,
  wakeTimeoutMs: 30_000,
  tunnelIdleTimeoutMs: 3_600_000,
  maxHeaderBytes: 16_384,
  maxBodyBytes: 0,
  maxInFlight: 1_024,
  maxWaiting: 1_024,
} satisfies RouterConfig;

const commaList = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .transform((parts) => parts.filter((part) => part !== ''))
  .default([]);

const hour = 3_600_000;

/** The part of the configuration that an operator sets in the environment. */
export const routerSettings = {
  trustedProxies: {
    env: 'TOWLINE_TRUSTED_PROXIES',
    schema: commaList,
    description: 'Addresses or CIDR ranges, comma separated, whose X-Forwarded-* headers are believed',
    defaultText: 'none',
  },
  headersTimeoutMs: {
    env: 'TOWLINE_FUNCTION_TIMEOUT_MS',
    schema: integerSetting({ min: 100, max: hour, default: routerDefaults.headersTimeoutMs }),
    description: 'How long a function may take to begin its answer',
    defaultText: String(routerDefaults.headersTimeoutMs),
  },
  bodyIdleTimeoutMs: {
    env: 'TOWLINE_BODY_IDLE_TIMEOUT_MS',
    schema: integerSetting({ min: 0, max: hour, default: routerDefaults.bodyIdleTimeoutMs }),
    description: 'Silence allowed in the middle of a request or answer; 0: any',
    defaultText: String(routerDefaults.bodyIdleTimeoutMs),
  },
  wakeTimeoutMs: {
    env: 'TOWLINE_WAKE_TIMEOUT_MS',
    schema: integerSetting({ min: 100, max: hour, default: routerDefaults.wakeTimeoutMs }),
    description: 'How long a request waits for a sleeping function',
    defaultText: String(routerDefaults.wakeTimeoutMs),
  },
  maxBodyBytes: {
    env: 'TOWLINE_MAX_BODY_BYTES',
    schema: integerSetting({ min: 0, max: 1e15 - 1, default: routerDefaults.maxBodyBytes }),
    description: 'Largest request body passed to a function; 0: any',
    defaultText: String(routerDefaults.maxBodyBytes),
  },
};

/** Every setting of the program. */
export const routerProgramSettings = {
  ...publicPortSetting,
  ...programSettings,
  ...addressSettings,
  ...clusterSettings,
  ...installationFileSetting,
  ...serviceTokenSetting,
  builderUrl: {
    ...builderUrlSetting.builderUrl,
    schema: builderUrlSetting.builderUrl.schema.removeDefault().optional(),
    defaultText: 'none: what is being built is answered as what is not there',
  },
  ...routerSettings,
} satisfies Settings;
