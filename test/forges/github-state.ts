import { randomBytes } from 'node:crypto';

export interface GitHubAccount {
  id: number;
  login: string;
  type: 'User' | 'Organization';
}

export interface GitHubRepository {
  id: number;
  name: string;
  owner: GitHubAccount;
  private: boolean;
  defaultBranch: string;
  archived?: boolean | undefined;
  /** `owner/name` of before: requests for it are redirected. */
  formerPath?: string | undefined;
  /** Branches and their heads. */
  branches: Record<string, string>;
}

export interface GitHubInstallation {
  id: number;
  account: GitHubAccount;
  repositories: GitHubRepository[];
  permissions: Record<string, string>;
  suspendedAt: string | null;
}

export interface GitHubToken {
  token: string;
  installationId: number;
  expiresAt: number;
  permissions: Record<string, string>;
  /** `undefined`: all of the installation's. */
  repositoryIds: number[] | undefined;
}

export interface CheckRunOutput {
  title?: string | undefined;
  summary?: string | undefined;
  text?: string | undefined;
  annotations?: Annotation[] | undefined;
}

export interface Annotation {
  path: string;
  start_line: number;
  end_line: number;
  annotation_level: string;
  message: string;
}

export interface CheckRun {
  id: number;
  repositoryId: number;
  name: string;
  headSha: string;
  status: string;
  conclusion: string | null;
  detailsUrl: string | null;
  externalId: string;
  startedAt: string | null;
  completedAt: string | null;
  output: CheckRunOutput;
  /** Of all requests: GitHub adds those of an update to those that are there. */
  annotations: Annotation[];
  /** Every status and conclusion it had, in order. */
  history: string[];
}

export interface CommitStatus {
  id: number;
  repositoryId: number;
  sha: string;
  state: string;
  context: string;
  description: string | null;
  targetUrl: string | null;
}

export interface Deployment {
  id: number;
  repositoryId: number;
  sha: string;
  ref: string;
  task: string;
  environment: string;
  productionEnvironment: boolean;
  payload: unknown;
  statuses: { id: number; state: string; environmentUrl: string; logUrl: string; description: string }[];
}

export interface HookDelivery {
  id: number;
  guid: string;
  deliveredAt: string;
  redelivery: boolean;
  status: string;
  statusCode: number;
  event: string;
  action: string | null;
  installationId: number | null;
  repositoryId: number | null;
  payload: object;
}

/** All that the double knows; tests read and change it. */
export interface GitHubState {
  installations: GitHubInstallation[];
  tokens: GitHubToken[];
  checkRuns: CheckRun[];
  statuses: CommitStatus[];
  deployments: Deployment[];
  deliveries: HookDelivery[];
  /** Codes of the manifest flow that were not converted yet. */
  manifestCodes: string[];
}

export function createGitHubState(): GitHubState {
  return {
    installations: [],
    tokens: [],
    checkRuns: [],
    statuses: [],
    deployments: [],
    deliveries: [],
    manifestCodes: [],
  };
}

export function issueToken(
  installation: GitHubInstallation,
  asked: { permissions?: Record<string, string>; repository_ids?: number[]; repositories?: string[] },
  lifeMs: number,
): GitHubToken {
  const named = asked.repositories?.map(
    (name) => installation.repositories.find((each) => each.name === name)?.id ?? 0,
  );
  return {
    token: `ghs_${randomBytes(18).toString('hex')}`,
    installationId: installation.id,
    expiresAt: Date.now() + lifeMs,
    permissions: asked.permissions ?? installation.permissions,
    repositoryIds: asked.repository_ids ?? named,
  };
}
