import { resolve } from 'node:path';
import { z } from 'zod';
import { integerSetting, type Settings } from '../config.ts';

const port = (fallback: number) => integerSetting({ min: 0, max: 65_535, default: fallback });

/** What every program of a cluster is told. */
export const programSettings = {
  host: {
    env: 'TOWLINE_HOST',
    schema: z.string().min(1).max(253).optional(),
    defaultText: 'every address',
    description: 'The address to listen on.',
  },
  internalPort: {
    env: 'TOWLINE_INTERNAL_PORT',
    schema: port(8081),
    defaultText: '8081',
    description: 'Port of `/healthz` and `/readyz`, and of the calls that the programs make to each other.',
  },
  logLevel: {
    env: 'TOWLINE_LOG_LEVEL',
    schema: z
      .enum(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'], 'must be a pino level')
      .default('info'),
    defaultText: '`info`',
    description: 'JSON logs on standard output, from this level up.',
  },
  stopGraceMs: {
    env: 'TOWLINE_STOP_GRACE_MS',
    schema: integerSetting({ min: 100, max: 3_600_000, default: 25_000 }),
    defaultText: '25000',
    description:
      'Milliseconds from SIGTERM to the end: requests in flight may finish in most of it; then the program ends anyway. Less than the pod’s `terminationGracePeriodSeconds`.',
  },
} satisfies Settings;

/** Of programs that people and forges reach. */
export const publicPortSetting = {
  port: {
    env: 'PORT',
    schema: port(8080),
    defaultText: '8080',
    description: 'Port of what is for the outside, behind the edge.',
  },
} satisfies Settings;

/** Of programs that keep something. */
export const dataSetting = {
  dataDir: {
    env: 'TOWLINE_DATA',
    schema: z
      .string()
      .default('/data')
      .transform((path) => resolve(path)),
    defaultText: '`/data`',
    description: 'Folder of its own, on a volume that one program at a time has.',
  },
} satisfies Settings;
