import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { whyNotFunction } from '../../core/names.ts';
import { gitEnvironment } from '../../runtime/git.ts';
import { openWorkTree } from '../../runtime/work-tree.ts';
import { CliError, exitCodes } from './client.ts';

export interface NewFunctionRequest {
  language: string;
  /** Or a path that ends in it, as `../my-fn`. */
  name: string;
  parentDir: string;
  owner: string;
  /** As `http://localhost:8080`. */
  origin: string;
  /** Program and arguments of the git credential helper, for this one platform. */
  credentialHelper: string;
  path: string;
}

const handlers: Record<string, Record<string, string>> = {
  node: {
    'handler.js': `'use strict';

module.exports = async (event, context) => {
  return context.status(200).succeed({ message: 'Hello from Towline', path: event.path });
};
`,
    'package.json': `${JSON.stringify({ name: 'handler', version: '1.0.0', private: true, main: 'handler.js' }, null, 2)}\n`,
  },
  'python3-http': {
    'handler.py': `def handle(event, context):
    return {"statusCode": 200, "body": "Hello from Towline\\n"}
`,
  },
};

export const newFunctionLanguages = Object.keys(handlers);

function stackFile(request: NewFunctionRequest): string {
  return `version: 1.0
provider:
  name: openfaas
functions:
  ${request.name}:
    lang: ${request.language}
    handler: ./${request.name}
`;
}

function check(request: NewFunctionRequest, dir: string): void {
  if (!handlers[request.language]) {
    throw new CliError(
      exitCodes.usage,
      'language_unknown',
      `no language "${request.language}"`,
      `one of: ${newFunctionLanguages.join(', ')}`,
    );
  }
  const why = whyNotFunction(request.owner, request.name);
  if (why)
    throw new CliError(exitCodes.usage, 'name_invalid', `"${request.name}" can't be a function: ${why}`);
  if (existsSync(dir))
    throw new CliError(exitCodes.failed, 'conflict', `${dir} exists already`, 'choose another name');
}

/** Makes a repository with one function, committed, and a remote "towline" that needs no password on this machine. */
export async function newFunction(asked: NewFunctionRequest): Promise<{ dir: string; remote: string }> {
  const dir = resolve(asked.parentDir, asked.name);
  const request = { ...asked, name: basename(dir) };
  check(request, dir);
  mkdirSync(join(dir, request.name), { recursive: true });
  writeFileSync(join(dir, 'stack.yml'), stackFile(request));
  writeFileSync(join(dir, '.gitignore'), 'node_modules/\n__pycache__/\n');
  for (const [file, text] of Object.entries(handlers[request.language] ?? {})) {
    writeFileSync(join(dir, request.name, file), text);
  }
  const remote = `${request.origin}/git/${request.owner}/${request.name}.git`;
  const email = `${request.owner}@towline.localhost`;
  const tree = openWorkTree({
    dir,
    env: {
      ...gitEnvironment(request.path),
      GIT_AUTHOR_NAME: request.owner,
      GIT_AUTHOR_EMAIL: email,
      GIT_COMMITTER_NAME: request.owner,
      GIT_COMMITTER_EMAIL: email,
    },
  });
  await tree.init(['-q', '-b', 'main']);
  await tree.addConfig(`credential.${request.origin}.helper`, request.credentialHelper);
  await tree.addConfig(`credential.${request.origin}.username`, request.owner);
  await tree.addRemote('towline', remote);
  await tree.add('.');
  await tree.commit(`Add ${request.name}`);
  return { dir, remote };
}
