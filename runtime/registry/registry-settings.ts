import { resolve } from 'node:path';
import { z } from 'zod';
import type { Settings } from '../config.ts';
import { parseRegistryPattern } from './registry-pattern.ts';

/** The registry that builds push to. */
export const registrySettings = {
  registry: {
    env: 'TOWLINE_REGISTRY',
    schema: z
      .string()
      .transform((text) => parseRegistryPattern(text))
      .refine((pattern) => pattern !== undefined, 'must be a registry as registry.example or ghcr.io/team')
      .optional(),
    defaultText: 'none',
    description:
      'Where images are pushed to, as `registry.example` or `ghcr.io/team`; needed for `TOWLINE_ENGINE=buildkit`; with `docker`, images stay in the Docker Engine without it. `http://…` for one without TLS; loopback is always without.',
  },
  registryConfigDir: {
    env: 'TOWLINE_REGISTRY_CONFIG',
    schema: z
      .string()
      .transform((path) => resolve(path))
      .optional(),
    defaultText: 'none',
    description: 'Folder with Docker’s `config.json`, whose entry for that registry may push.',
  },
} satisfies Settings;
