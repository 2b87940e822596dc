import type { Command } from 'commander';
import type { WorkloadBinding } from '../../core/auth.ts';
import type { AnnouncementAccepted, Bindings } from '../../core/images.ts';
import { apiPaths } from '../../core/paths.ts';
import type { Scope, WithScope } from './scope.ts';

interface AddOptions {
  repository: string;
  ref: string;
  environment?: string;
  workflow?: string;
}

interface AnnounceOptions {
  repository: string;
  commit: string;
  ref: string;
  subject: string;
  run?: string;
}

/** Which CIs may announce images, and announcing one by hand. */
export function addCiCommands(program: Command, withScope: WithScope): void {
  const ci = program
    .command('ci')
    .description('CIs that may deploy images by their own tokens')
    .action(withScope(list));
  ci.command('add <forge> <repository-id>')
    .description('trusts the CI of a repository; forge: github, gitlab, or an issuer')
    .requiredOption('--repository <path>', 'what the repository is called, as acme/shop')
    .option('--ref <ref>', 'the branch or tag it has to run on; "any" for all', 'refs/heads/main')
    .option('--environment <name>', "the forge's deployment environment it has to run in")
    .option('--workflow <file>', 'the workflow it has to be, as .github/workflows/release.yml')
    .action(withScope(add));
  ci.command('remove <id>').description('trusts it no longer').action(withScope(remove));
  program
    .command('deploy-image <function> <image>')
    .description('deploys an image that was built elsewhere, named by its digest')
    .requiredOption('--repository <name>', 'the repository that its source is in')
    .requiredOption('--commit <id>', 'the commit that it was built from')
    .option('--ref <ref>', 'the branch or tag of that commit', 'refs/heads/main')
    .option('--subject <text>', "the first line of the commit's message", '')
    .option('--run <number>', 'grows with every build: a smaller one never replaces a greater one')
    .action(withScope(announce));
}

async function list(scope: Scope): Promise<void> {
  const found = await scope.client.request<Bindings>('GET', apiPaths.ciBindings(scope.owner));
  scope.show(found, () => {
    const list = found.bindings.map(inWords).join('') || `no CI may deploy images of ${scope.owner}\n`;
    return `${list}tokens have to be made for ${found.audience}\n`;
  });
}

function inWords({
  id,
  repository,
  repositoryId,
  issuer,
  ref,
  environment,
  workflow,
}: WorkloadBinding): string {
  const conditions = [ref ?? 'any ref', environment && `environment ${environment}`, workflow].filter(
    Boolean,
  );
  return `${id}  ${repository} (${repositoryId}) of ${issuer}: ${conditions.join(', ')}\n`;
}

async function issuerOf(scope: Scope, forge: string): Promise<string> {
  const { issuers } = await scope.client.request<Bindings>('GET', apiPaths.ciBindings(scope.owner));
  return issuers.find(({ scm }) => scm === forge)?.issuer ?? forge;
}

async function add(scope: Scope, forge: string, repositoryId: string, options: AddOptions): Promise<void> {
  const { repository, ref, environment = null, workflow = null } = options;
  const body = {
    issuer: await issuerOf(scope, forge),
    ...{ repositoryId, repository, environment, workflow, ref: ref === 'any' ? null : ref },
  };
  const binding = await scope.client.request<WorkloadBinding>('POST', apiPaths.ciBindings(scope.owner), body);
  scope.show(binding, () => inWords(binding));
}

async function remove(scope: Scope, id: string): Promise<void> {
  await scope.client.request('DELETE', apiPaths.ciBinding(scope.owner, id));
  scope.show({ id }, () => `${id} is removed\n`);
}

async function announce(scope: Scope, name: string, image: string, options: AnnounceOptions): Promise<void> {
  const { run, ...said } = options;
  const body = {
    owner: scope.owner,
    function: name,
    image,
    ...said,
    ...(run === undefined ? {} : { run: Number(run) }),
  };
  const accepted = await scope.client.request<AnnouncementAccepted>('POST', apiPaths.images(), body);
  scope.show(accepted, () => `${accepted.duplicate ? 'known already' : 'accepted'}: ${accepted.id}\n`);
}
