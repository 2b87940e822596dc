import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../../runtime/logger.ts';
import type { CustomerGate } from '../customers/customer-gate.ts';
import type { Customers } from '../customers/customers.ts';
import type { ArrivalStore } from './arrival-store.ts';
import { createArrivals } from './arrivals.ts';
import { createIgnoredPushers } from './forge-values.ts';
import type { GitLabArrival } from './gitlab-arrival.ts';
import { createGitLabProjects } from './gitlab-projects.ts';
import { gitOpsPushOf } from './gitops-repository.ts';
import { createGitHook, createGitHubHook, createGitLabHook, type Hook } from './hooks.ts';
import { createIntake, type IntakeTargets } from './intake.ts';
import { createWebhookHandler } from './webhook-handler.ts';

/** Which forges' webhooks are taken; one that isn't named has no path. Base URLs are without a slash at their end. */
export interface ForgesConfig {
  github?: { baseUrl: string; webhookSecrets: readonly string[]; appId?: string | undefined } | undefined;
  gitlab?:
    | {
        baseUrl: string;
        /** Secret tokens, and signing tokens (`whsec_…`). */
        webhookSecrets: readonly string[];
        /** Projects opt in by this topic; `undefined`: all are served. */
        topic: string | undefined;
        /** Groups and projects that there are tokens for; empty: all that the token is a member of. */
        paths?: readonly string[] | undefined;
      }
    | undefined;
  gitea?: { baseUrl: string; webhookSecrets: readonly string[] } | undefined;
  /** Logins whose pushes deploy nothing, the App's own among them; `*[bot]` for every bot but GitHub's merge queue. */
  ignoredPushers?: readonly string[] | undefined;
  /** A file's path or a URL: who may use the installation. Without it everybody whose forge may send events. */
  customers?: string | undefined;
}

export interface ForgeIntakeDeps extends IntakeTargets {
  /** Of the built-in git host. */
  gitSecrets: readonly string[];
  forges: ForgesConfig;
  customers: Customers;
  gate: Pick<CustomerGate, 'judge'>;
  /** As of the intake. */
  onStranger: (account: string) => void;
  arrivals: ArrivalStore;
  /** For GitLab's API, by a project's full path. */
  gitlabToken: (path: string) => Promise<string | undefined>;
  logger: Logger;
  now?: (() => number) | undefined;
  retry?: { firstMs: number; maxMs: number } | undefined;
}

export interface ForgeIntake extends AsyncDisposable {
  /** Handles `/webhooks/*`. */
  handle: (req: IncomingMessage, res: ServerResponse) => void;
  /** As if GitLab had told; on disk when it resolves. */
  arrive(arrival: GitLabArrival): Promise<void>;
  /** Takes up what a former run left. */
  start(): void;
  /** Resolves when nothing waits for a forge. */
  idle(): Promise<void>;
}

/** All webhooks of an installation: from the request to what acts on it. */
export async function createForgeIntake(deps: ForgeIntakeDeps): Promise<ForgeIntake> {
  const { forges, logger, now } = deps;
  const { github, gitlab, gitea } = forges;
  const ignored = createIgnoredPushers(forges.ignoredPushers ?? []);
  const gitOpsPush = gitOpsPushOf(deps.gitOps);
  await using opening = new AsyncDisposableStack();
  const gitlabRules = gitlab && { baseUrl: gitlab.baseUrl, topic: gitlab.topic, ignored, gitOpsPush };
  const arrivals =
    gitlabRules &&
    opening.use(
      createArrivals({
        store: deps.arrivals,
        projects: createGitLabProjects({ baseUrl: gitlabRules.baseUrl, token: deps.gitlabToken }),
        rules: gitlabRules,
        take: async (outcomes) => {
          for (const outcome of outcomes) await intake.take(outcome);
        },
        logger,
        now,
        retry: deps.retry,
      }),
    );
  const { accept, installation, rebuild, gitOps, customers, gate } = deps;
  const arrive: Parameters<typeof createIntake>[0]['arrive'] = async (arrival) => arrivals?.add(arrival);
  const intake = createIntake({
    ...{ accept, installation, rebuild, gitOps, arrive, customers, gate, logger },
    onStranger: deps.onStranger,
  });

  const hooks: Hook[] = [];
  const giteaHook = gitea && {
    secrets: gitea.webhookSecrets,
    rules: { baseUrl: gitea.baseUrl, ignored, gitOpsPush },
  };
  hooks.push(createGitHook({ secrets: deps.gitSecrets, gitea: giteaHook, gitOpsPush }));
  if (github) {
    const { baseUrl, appId } = github;
    hooks.push(createGitHubHook(github.webhookSecrets, { baseUrl, appId, ignored, gitOpsPush }));
  }
  if (gitlab && gitlabRules) hooks.push(createGitLabHook(gitlab.webhookSecrets, gitlabRules, now));

  const resources = opening.move();
  return {
    handle: createWebhookHandler({ hooks, intake, logger }),
    arrive: async (arrival) => arrivals?.add(arrival),
    start: () => arrivals?.start(),
    idle: async () => arrivals?.idle(),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
