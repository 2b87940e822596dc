/** What the first-function page has people copy. Kept apart so that a test can run it through git and yaml. */

const sampleStack = `version: 1.0
provider:
  name: openfaas
functions:
  hello:
    lang: node
    handler: ./hello
`;

const sampleHandler = `module.exports = async (event, context) =>
  context.status(200).succeed('Hello from Towline\\n');
`;

interface Remote {
  gitBaseUrl: string;
  owner: string;
  repo: string;
}

function remoteUrl({ gitBaseUrl, owner, repo }: Remote): string {
  return `${gitBaseUrl}/${encodeURIComponent(owner)}/${encodeURIComponent(repo)}.git`;
}

/** From nothing to a pushed function, in one paste. */
export function fromScratch(remote: Remote): string {
  return `mkdir -p ${remote.repo}/hello && cd ${remote.repo}
cat > stack.yml <<'EOF'
${sampleStack}EOF
cat > hello/handler.js <<'EOF'
${sampleHandler}EOF
git init -b main && git add . && git commit -m "Say hello"
git remote add towline ${remoteUrl(remote)}
git push towline main`;
}

/** For a repository that has a stack.yml already. */
export function existingRepository(remote: Remote): string {
  return `git remote add towline ${remoteUrl(remote)}
git push towline main`;
}

export function withCli(): string {
  return `npx towline new node hello
cd hello && git push towline main`;
}
