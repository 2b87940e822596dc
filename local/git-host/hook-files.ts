import { chmod, mkdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folders for `core.hooksPath`, outside every repository: a repository can never bring hooks of its own. */
export interface HookFolders {
  source: string;
  gitops: string;
  /** A git configuration file for whoever fetches from the hosted repositories by path. */
  fetchConfig: string;
}

const hookProgram = fileURLToPath(new URL('./hook/main.ts', import.meta.url));
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Compiled code is cached: it halves the time that each push waits for the hook (measured: 50 to 27 ms). */
function postReceive(nodePath: string, cache: string): string {
  return `#!/bin/sh
NODE_COMPILE_CACHE=${quote(cache)} exec ${quote(nodePath)} --no-warnings ${quote(hookProgram)}
`;
}

/** Nobody but Towline commits as Towline; a history that comes whole, as a backup does, is taken as it is. */
function gitopsPreReceive(committerEmail: string): string {
  return `#!/bin/sh
# The history of the GitOps repository is the audit log: it only ever grows, and says who did what.
verdict=0
towline=${quote(committerEmail)}
has_main=
git rev-parse --quiet --verify refs/heads/main >/dev/null && has_main=yes
while read -r old new ref; do
  case "$new" in
    *[!0]*)
      if [ -z "$has_main" ]; then
        :
      elif ! committers=$(git log --format=%ce "$new" --not --all); then
        echo "the commits of $ref cannot be read."
        verdict=1
      elif printf '%s\\n' "$committers" | grep -qixF -e "$towline"; then
        echo "a commit of $ref has Towline's own address ($towline) as its committer: only Towline's commits do."
        echo "Set your own with git config user.email, then: git rebase --force-rebase origin/main"
        verdict=1
      fi ;;
  esac
  [ "$ref" = refs/heads/main ] || continue
  case "$new" in
    *[!0]*) ;;
    *) echo "main cannot be deleted: what it holds is what runs. To undo a deploy, git revert it and push."; verdict=1; continue ;;
  esac
  case "$old" in
    *[!0]*) ;;
    *) continue ;;
  esac
  git merge-base --is-ancestor "$old" "$new" && continue
  echo "main only moves forward: its history is the audit log. Fetch, rebase your commits on it, and push without force."
  echo "To undo a deploy, git revert its commit and push."
  verdict=1
done
exit $verdict
`;
}

const fetchSettings = `[safe]
	directory = *
[protocol "file"]
	allow = always
`;

async function writeHook(folder: string, name: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, name), text);
  await chmod(join(folder, name), 0o700);
}

/** Writes the hooks anew, so that they always fit the platform that runs and the Node that runs it. */
export async function writeHookFiles(
  hookDir: string,
  nodePath: string,
  committerEmail: string,
): Promise<HookFolders> {
  await mkdir(hookDir, { recursive: true, mode: 0o700 });
  const root = await realpath(hookDir);
  const folders: HookFolders = {
    source: join(root, 'source'),
    gitops: join(root, 'gitops'),
    fetchConfig: join(root, 'fetch.gitconfig'),
  };
  const script = postReceive(nodePath, join(root, 'cache'));
  await writeHook(folders.source, 'post-receive', script);
  await writeHook(folders.gitops, 'post-receive', script);
  await writeHook(folders.gitops, 'pre-receive', gitopsPreReceive(committerEmail));
  await writeFile(folders.fetchConfig, fetchSettings);
  return folders;
}
