/** Payloads as docs.gitlab.com shows them (user/project/integrations/webhook_events, administration/system_hooks). */

const sha = (digit: string) => digit.repeat(40);

export function groupHookPush() {
  return {
    object_kind: 'push',
    event_name: 'push',
    before: sha('9'),
    after: sha('d'),
    ref: 'refs/heads/main',
    ref_protected: true,
    checkout_sha: sha('d'),
    user_id: 4,
    user_name: 'John Smith',
    user_username: 'jsmith',
    user_email: 'john@example.com',
    project_id: 15,
    project: {
      id: 15,
      name: 'Shop front',
      description: '',
      web_url: 'https://gitlab.example.com/acme/web_team/shop.front',
      git_ssh_url: 'git@gitlab.example.com:acme/web_team/shop.front.git',
      git_http_url: 'https://gitlab.example.com/acme/web_team/shop.front.git',
      namespace: 'Web team',
      visibility_level: 0,
      path_with_namespace: 'acme/web_team/shop.front',
      default_branch: 'main',
    },
    commits: [
      {
        id: sha('d'),
        message: 'Update Catalan translation.\n',
        timestamp: '2011-12-12T14:27:31+02:00',
        author: { name: 'Jordi', email: 'jordi@example.org' },
      },
    ],
    total_commits_count: 1,
  };
}

const project = {
  created_at: '2012-07-21T07:30:54Z',
  updated_at: '2012-07-21T07:38:22Z',
  name: 'Shop front',
  owner_email: 'johnsmith@example.com',
  owner_name: 'John Smith',
  owners: [{ name: 'John', email: 'user1@example.com' }],
  path: 'shop.front',
  path_with_namespace: 'acme/web_team/shop.front',
  project_id: 15,
  project_namespace_id: 23,
  project_visibility: 'private',
};

const group = { name: 'Web team', path: 'web_team', group_id: 77 };

const systemHooks: Record<string, object> = {
  push: { ...groupHookPush(), object_kind: undefined },
  tag_push: { ...groupHookPush(), object_kind: 'tag_push', event_name: 'tag_push', ref: 'refs/tags/v1.0.0' },
  repository_update: { project_id: 15, refs: ['refs/heads/main'], changes: [] },
  project_create: project,
  project_destroy: project,
  project_rename: { ...project, old_path_with_namespace: 'acme/web_team/former' },
  project_transfer: { ...project, old_path_with_namespace: 'other/shop.front' },
  project_update: project,
  group_rename: { ...group, full_path: 'acme/web_team', old_path: 'old', old_full_path: 'acme/old' },
  group_destroy: group,
  user_add_to_team: { project_id: 15, user_id: 41, project_access: 'Maintainer' },
};

export function systemHook(name: string): object {
  return { ...structuredClone(systemHooks[name]), event_name: name };
}

/** As `GET /projects/:id` answers. */
export function projectAnswer(more: object = {}): object {
  return {
    id: 15,
    name: 'Shop front',
    name_with_namespace: 'Acme / Web team / Shop front',
    path: 'shop.front',
    path_with_namespace: 'acme/web_team/shop.front',
    default_branch: 'main',
    visibility: 'private',
    archived: false,
    topics: ['Towline', 'shop'],
    tag_list: ['Towline', 'shop'],
    http_url_to_repo: 'https://evil.example/acme/web_team/shop.front.git',
    namespace: { id: 77, name: 'Web team', path: 'web_team', kind: 'group', full_path: 'acme/web_team' },
    ...more,
  };
}
