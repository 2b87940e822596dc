import { z } from 'zod';
import { TowlineError } from '../core/errors.ts';
import type { ConfigOf, Settings } from '../runtime/config.ts';
import { fileSetting, readSecretFile, readSecretLines } from '../runtime/program/secret-file.ts';
import { createGitHubApp, type GitHubApp } from './github/github-app.ts';
import type { ForgesConfig } from './webhooks/forge-intake.ts';

const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;
/** Tokens are sent there. */
const baseUrl = () =>
  z
    .url({ protocol: /^https?$/, error: 'must be a URL' })
    .refine(
      (text) => text.startsWith('https:') || loopback.test(URL.parse(text)?.hostname ?? ''),
      'must be an https URL: tokens are sent there',
    )
    .transform((text) => text.replace(/\/+$/, ''));
const commaList = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);
const tokenFile = z.string().regex(/^[^=]*=\/.+$/, 'must be path=/file pairs, comma separated');

/** Which forges send events, and who the builder is there. */
export const forgeSettings = {
  webhookSecretFile: {
    env: 'TOWLINE_WEBHOOK_SECRET_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none: no webhooks of plain Git are taken',
    description:
      'File with the secrets of `/webhooks/git`, one a line: any of them verifies an event. Read at the start.',
  },
  githubUrl: {
    env: 'TOWLINE_GITHUB_URL',
    schema: baseUrl().default('https://github.com'),
    defaultText: '`https://github.com`',
    description: 'GitHub, or a GitHub Enterprise server.',
  },
  githubApi: {
    env: 'TOWLINE_GITHUB_API',
    schema: baseUrl().default('https://api.github.com'),
    defaultText: '`https://api.github.com`',
    description: 'Its API: of a GitHub Enterprise server `https://<host>/api/v3`.',
  },
  githubAppId: {
    env: 'TOWLINE_GITHUB_APP_ID',
    schema: z
      .string()
      .regex(/^[\w.-]{1,100}$/, 'must be the id of an App')
      .optional(),
    defaultText: 'none: no webhooks of GitHub are taken',
    description: 'The GitHub App that people install; with the two files below.',
  },
  githubAppKeyFile: {
    env: 'TOWLINE_GITHUB_APP_KEY_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none',
    description: 'PEM file of its private key. Read at the start.',
  },
  githubWebhookSecretFile: {
    env: 'TOWLINE_GITHUB_WEBHOOK_SECRET_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none',
    description: 'File with the secrets of its webhook, one a line. Read at the start.',
  },
  gitlabUrl: {
    env: 'TOWLINE_GITLAB_URL',
    schema: baseUrl().optional(),
    defaultText: 'none: no webhooks of GitLab are taken',
    description: 'The GitLab whose projects are served, as `https://gitlab.com`.',
  },
  gitlabWebhookSecretFile: {
    env: 'TOWLINE_GITLAB_WEBHOOK_SECRET_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none',
    description:
      'File with the secret tokens of its webhooks, or signing tokens, one a line. Read at the start.',
  },
  gitlabTokens: {
    env: 'TOWLINE_GITLAB_TOKENS',
    schema: commaList.pipe(z.array(tokenFile)).default([]),
    defaultText: 'none: public projects only',
    description:
      'Access tokens by path, with the scope `read_repository` to fetch and `api` to show what becomes of commits, comma separated: `group/project=/file`; `=/file` for everything. Files are read at each use.',
  },
  gitlabTopic: {
    env: 'TOWLINE_GITLAB_TOPIC',
    schema: z.string().min(1).max(200).optional(),
    defaultText: 'none: every project is served',
    description: 'The topic by which projects opt in.',
  },
  giteaUrl: {
    env: 'TOWLINE_GITEA_URL',
    schema: baseUrl().optional(),
    defaultText: 'none: no webhooks of Gitea or Forgejo are taken',
    description:
      'The Gitea or Forgejo whose webhooks come to `/webhooks/git`; its host is one of `TOWLINE_SOURCE_HOSTS`.',
  },
  giteaWebhookSecretFile: {
    env: 'TOWLINE_GITEA_WEBHOOK_SECRET_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none',
    description:
      'File with the secrets of its webhooks, one a line; others than those of `TOWLINE_WEBHOOK_SECRET_FILE`, whose holders may speak for every owner. Read at the start.',
  },
  ignoredPushers: {
    env: 'TOWLINE_IGNORED_PUSHERS',
    schema: commaList.default([]),
    defaultText: 'none',
    description:
      "Logins whose pushes deploy nothing, comma separated; `*[bot]` for every bot but GitHub's merge queue.",
  },
  customers: {
    env: 'TOWLINE_CUSTOMERS',
    schema: z.string().min(1).max(2000).optional(),
    defaultText: 'everybody whose forge may send events',
    description: 'File or URL of the list of who may use the installation.',
  },
} satisfies Settings;

export type ForgeSettings = ConfigOf<typeof forgeSettings>;

export interface Forges {
  config: ForgesConfig;
  /** Of plain Git. */
  gitSecrets: string[];
  githubApp: GitHubApp | undefined;
  gitlabTokens: { path: string; file: string }[];
}

/** Reads the files that the settings name. Throws `config_invalid` for what is missing. */
export function readForges(settings: ForgeSettings): Forges {
  const { webhookSecretFile, ignoredPushers, customers } = settings;
  const gitSecrets =
    webhookSecretFile === undefined ? [] : readSecretLines(webhookSecretFile, 'TOWLINE_WEBHOOK_SECRET_FILE');
  const gitea = readGitea(settings);
  const shared = gitea?.webhookSecrets.some((secret) => gitSecrets.includes(secret));
  if (shared)
    throw incomplete('TOWLINE_GITEA_WEBHOOK_SECRET_FILE shares a secret with TOWLINE_WEBHOOK_SECRET_FILE');
  const github = readGitHub(settings);
  return {
    gitSecrets,
    githubApp: github?.app,
    gitlabTokens: settings.gitlabTokens.map((pair) => {
      const equals = pair.indexOf('=');
      return { path: pair.slice(0, equals), file: pair.slice(equals + 1) };
    }),
    config: {
      ...{ ignoredPushers, customers },
      github: github?.config,
      gitlab: readGitLab(settings),
      gitea,
    },
  };
}

function readGitHub(settings: ForgeSettings) {
  const { githubAppId: appId, githubAppKeyFile: keyFile, githubWebhookSecretFile: secretFile } = settings;
  if (appId === undefined && keyFile === undefined && secretFile === undefined) return undefined;
  if (appId === undefined || keyFile === undefined || secretFile === undefined) {
    throw incomplete(
      'TOWLINE_GITHUB_APP_ID, TOWLINE_GITHUB_APP_KEY_FILE and TOWLINE_GITHUB_WEBHOOK_SECRET_FILE go together',
    );
  }
  const privateKey = readSecretFile(keyFile, 'TOWLINE_GITHUB_APP_KEY_FILE');
  const webhookSecrets = readSecretLines(secretFile, 'TOWLINE_GITHUB_WEBHOOK_SECRET_FILE');
  return {
    app: createGitHubApp({ appId, privateKey, apiUrl: settings.githubApi }),
    config: { baseUrl: settings.githubUrl, webhookSecrets, appId },
  };
}

function readGitLab(settings: ForgeSettings): ForgesConfig['gitlab'] {
  const { gitlabUrl: url, gitlabWebhookSecretFile: secretFile } = settings;
  if (url === undefined) return undefined;
  if (secretFile === undefined)
    throw incomplete('TOWLINE_GITLAB_URL needs TOWLINE_GITLAB_WEBHOOK_SECRET_FILE');
  const webhookSecrets = readSecretLines(secretFile, 'TOWLINE_GITLAB_WEBHOOK_SECRET_FILE');
  const paths = settings.gitlabTokens.map((pair) =>
    pair.slice(0, pair.indexOf('=')).replaceAll(/^\/+|\/+$/g, ''),
  );
  return { baseUrl: url, webhookSecrets, topic: settings.gitlabTopic, paths };
}

function readGitea(settings: ForgeSettings): ForgesConfig['gitea'] {
  const { giteaUrl: url, giteaWebhookSecretFile: secretFile } = settings;
  if (url === undefined) return undefined;
  if (secretFile === undefined) throw incomplete('TOWLINE_GITEA_URL needs TOWLINE_GITEA_WEBHOOK_SECRET_FILE');
  return { baseUrl: url, webhookSecrets: readSecretLines(secretFile, 'TOWLINE_GITEA_WEBHOOK_SECRET_FILE') };
}

function incomplete(problem: string): TowlineError {
  return new TowlineError('config_invalid', problem);
}
