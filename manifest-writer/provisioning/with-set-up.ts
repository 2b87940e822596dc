import { defaultEnvironment } from '../../core/environments.ts';
import { commitMessage } from '../message/commit-message.ts';
import { folderOwner, tenantPath } from '../paths.ts';
import type { BranchView } from '../planning/branch-view.ts';
import { type Decision, type PlannedIntent, type PlanningContext, refused } from '../planning/decision.ts';
import { environmentTrailer } from '../planning/placement.ts';
import { whyTenantClosed } from '../render/tenant.ts';
import type { FileChange, NewCommit } from '../repository/manifest-repository.ts';
import type { Provisioning } from './provisioning.ts';
import {
  gitOpsEngines,
  renderSetUp,
  type SetUpPlace,
  setUpFolder,
  setUpPath,
  templatePath,
} from './set-up.ts';

interface Tenant {
  owner: string;
  environment: string;
}

/**
 * Whatever puts something into a tenant's folder, a first deploy or a promotion, needs what applies the folder: it is
 * set up in a commit of its own before, or the intent is refused.
 */
export function withSetUp(plan: PlannedIntent, context: PlanningContext): PlannedIntent {
  const { provisioning } = context;
  if (!provisioning) return plan;
  return {
    paths: plan.paths,
    async decide(view) {
      const decision = await plan.decide(view);
      const tenant = decision.type === 'commit' ? tenantOf(decision.commit.changes) : undefined;
      if (decision.type !== 'commit' || !tenant) return decision;
      const closed = whyTenantClosed(await view.text(tenantPath(tenant.owner, tenant.environment)));
      if (closed !== undefined) return refused('tenant_closed', closedWords(tenant.owner, closed));
      return setUp(decision, tenant, { view, provisioning, context });
    },
  };
}

/** Whose folder gets something; of a removal nobody's. */
function tenantOf(changes: readonly FileChange[]): Tenant | undefined {
  return changes.filter(({ content }) => content !== null).map(({ path }) => folderOwner(path))[0];
}

interface Scene {
  view: BranchView;
  provisioning: Provisioning;
  context: PlanningContext;
}

async function setUp(
  decision: Extract<Decision, { type: 'commit' }>,
  tenant: Tenant,
  scene: Scene,
): Promise<Decision> {
  const { view, provisioning, context } = scene;
  const { owner, environment } = tenant;
  const cluster = context.environments?.get(environment)?.cluster ?? '';
  const places = gitOpsEngines.map((engine): SetUpPlace => ({ engine, cluster, environment }));
  for (const place of places) if (await view.has(setUpPath(place, owner))) return decision;
  const missing = (why: string) => refused('tenant_missing', `the tenant "${owner}" is not set up: ${why}`);
  const template = await templateOf(view, places);
  if (!template) {
    const path = templatePath(places[0] as SetUpPlace);
    return missing(`there is no ${path} in the GitOps repository; an operator runs "npm run init-gitops"`);
  }
  const path = setUpPath(template.place, owner);
  if (provisioning.tenants === 'manual') {
    return missing(`an operator adds "${owner}" to the installation's file and runs "npm run init-gitops"`);
  }
  if ((await view.files(setUpFolder(template.place))).length > provisioning.maxTenants) {
    return missing(`there are ${provisioning.maxTenants} already; an operator raises the limit`);
  }
  const content = rendered(template, owner);
  if (content === undefined)
    return missing(`${templatePath(template.place)} is broken; an operator mends it`);
  return withFirst(decision, tenant, { path, content });
}

async function templateOf(view: BranchView, places: readonly SetUpPlace[]) {
  for (const place of places) {
    const text = await view.text(templatePath(place));
    if (text !== null) return { place, text };
  }
  return undefined;
}

function rendered({ place, text }: { place: SetUpPlace; text: string }, owner: string): string | undefined {
  try {
    return renderSetUp(text, owner, templatePath(place));
  } catch {
    return undefined;
  }
}

/** The sentinel goes with it, so that undoing the first deploy leaves the tenant as it is set up. */
function withFirst(
  decision: Extract<Decision, { type: 'commit' }>,
  { owner, environment }: Tenant,
  file: FileChange,
): Decision {
  const { commit } = decision;
  const sentinelPath = tenantPath(owner, environment);
  const sentinel = commit.changes.filter(({ path }) => path === sentinelPath);
  const where = environment === defaultEnvironment ? '' : ` in ${environment}`;
  const first: NewCommit = {
    ...commit,
    message: commitMessage(`tenant(${owner}${where}): set up`, {
      'Towline-Kind': 'tenant',
      'Towline-Tenant': owner,
      ...environmentTrailer(environment),
      'Towline-Reason': 'its first deploy',
    }),
    changes: [file, ...sentinel],
  };
  const changes = commit.changes.filter(({ path }) => path !== sentinelPath);
  return { ...decision, first, commit: { ...commit, changes } };
}

function closedWords(owner: string, reason: string): string {
  const why = reason === '' ? '' : `: ${reason}`;
  return `the tenant "${owner}" was closed by an operator${why}`;
}
