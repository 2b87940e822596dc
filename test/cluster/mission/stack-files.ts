import type { Files } from '../../e2e/git-client.ts';

/** A stack of functions that are one layer each on the installation's base image. */
export function stackFiles(baseImage: string, texts: Readonly<Record<string, string>>): Files {
  const functions = Object.keys(texts)
    .map((name) => `  ${name}:\n    lang: dockerfile\n    handler: ./${name}\n`)
    .join('');
  const files: Files = {
    'stack.yml': `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n${functions}`,
  };
  for (const [name, text] of Object.entries(texts)) {
    files[`${name}/Dockerfile`] = `FROM ${baseImage}\nCOPY text /text\n`;
    files[`${name}/text`] = `${text}\n`;
  }
  return files;
}
