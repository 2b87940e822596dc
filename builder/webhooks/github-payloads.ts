import { z } from 'zod';
import { CommitSha } from '../../core/names.ts';
import { Branch, ForgeId, Ref, ShortText } from './forge-values.ts';

/** Of an account that has repositories. Old ones may begin or end with a hyphen; managed ones have an underscore. */
const Login = z.string().regex(/^[A-Za-z0-9_-]{1,100}$/);

const Owner = z.object({ id: ForgeId, login: Login, type: ShortText.optional() });
export type GitHubOwner = z.output<typeof Owner>;

const Sender = z.object({
  id: ForgeId,
  login: z.string().regex(/^[A-Za-z0-9_-]{1,100}(\[bot\])?$/),
  type: ShortText.optional(),
});
export type GitHubSender = z.output<typeof Sender>;

const RepositoryName = z.string().regex(/^[A-Za-z0-9._-]{1,100}$/);
const FullName = z.string().regex(/^[A-Za-z0-9_-]{1,100}\/[A-Za-z0-9._-]{1,100}$/);

const Repository = z.object({
  id: ForgeId,
  name: RepositoryName,
  full_name: FullName,
  private: z.boolean(),
  owner: Owner,
  default_branch: Branch,
  clone_url: ShortText.optional(),
});
export type GitHubRepository = z.output<typeof Repository>;

const Installation = z.object({ id: ForgeId });

const base = { sender: Sender, installation: Installation.optional() };

export const PushPayload = z.object({
  ...base,
  ref: Ref,
  before: CommitSha,
  after: CommitSha,
  repository: Repository,
  pusher: z.object({ name: ShortText, email: ShortText.nullish() }),
  head_commit: z
    .object({ author: z.object({ username: ShortText.nullish() }).optional() })
    .nullish()
    .catch(undefined),
});
export type PushPayload = z.output<typeof PushPayload>;

export const RepositoryPayload = z.object({ ...base, repository: Repository });

const FormerOwner = z.object({ user: Owner.optional(), organization: Owner.optional() });

export const TransferPayload = z.object({
  ...base,
  repository: Repository,
  changes: z.object({ owner: z.object({ from: FormerOwner }) }),
});

export const EditedPayload = z.object({
  ...base,
  repository: Repository,
  changes: z.object({ default_branch: z.unknown().optional() }).optional(),
});

const ListedRepository = z.object({
  id: ForgeId,
  name: RepositoryName,
  full_name: FullName,
  private: z.boolean(),
});
export type GitHubListedRepository = z.output<typeof ListedRepository>;

const List = z.array(ListedRepository).max(100_000);

const OwnInstallation = z.object({ id: ForgeId, account: Owner, app_id: ForgeId.optional() });

export const InstallationPayload = z.object({
  sender: Sender,
  installation: OwnInstallation,
  repositories: List.optional(),
});
export type InstallationPayload = z.output<typeof InstallationPayload>;

export const InstallationRepositoriesPayload = z.object({
  sender: Sender,
  installation: OwnInstallation,
  repositories_added: List,
  repositories_removed: List,
});

export const AccountRenamedPayload = z.object({
  sender: Sender,
  /** Of `installation_target`. */
  account: Owner.optional(),
  /** Of `organization`. */
  organization: Owner.optional(),
  changes: z.object({ login: z.object({ from: Login }) }),
});

const App = z.object({ id: ForgeId });

export const CheckRunPayload = z.object({
  ...base,
  repository: Repository,
  requested_action: z.object({ identifier: ShortText }).optional(),
  check_run: z.object({ head_sha: CommitSha, external_id: z.string().max(300).nullish(), app: App }),
});

export const CheckSuitePayload = z.object({
  ...base,
  repository: Repository,
  check_suite: z.object({ head_sha: CommitSha, app: App }),
});
