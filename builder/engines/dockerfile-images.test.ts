import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { imagesOf } from './dockerfile-images.ts';
import { requireKnownFrontend } from './dockerfile-text.ts';
import { isAllowedSource, publicPatterns } from './image-sources.ts';

const images = (text: string, args: Record<string, string> = {}) =>
  imagesOf(text, args).map((one) => one.image);

describe('the images of a Dockerfile', () => {
  const evil = '10.0.0.1:5000/x';
  const hidden: [name: string, text: string][] = [
    ['FROM in any case, with flags and a stage', `from --platform=linux/amd64 ${evil} as s`],
    ['continued lines, with comments and blank lines between', `FR\\\nOM \\\n\n  # note\n${evil}`],
    ['a continuation with spaces after it', `FROM \\  \n${evil}`],
    ['another escape character', `# escape=\`\nFROM \`\n${evil}`],
    ['carriage returns', `FROM a\r\nCOPY --from=${evil} / /\r\n`],
    ['quotes in FROM', `FROM "${evil}"`],
    ['quotes and escapes in flags', `FROM a\nCOPY --fr\\om="${evil}" / /`],
    ['a mount among others', `FROM a\nRUN --network=none --mount=type=bind,target=/x,from=${evil} ls`],
    ['a mount whose fields are quoted', `FROM a\nRUN --mount=type=bind,\\"from=${evil}\\" ls`],
    ['a trigger', `FROM a\nONBUILD COPY --from=${evil} / /`],
    ['a variable with a default', `ARG A=${evil}\nFROM $A`],
    ['a variable of variables', `ARG H=10.0.0.1:5000\nARG A=\${H}/x\nFROM \${A}`],
    ['the fallback of an empty variable', `ARG A=""\nFROM \${A:-${evil}}`],
    ['what follows a here-document', `FROM a\nRUN <<EOF\nls \\\nEOF\nFROM ${evil}`],
    ['white space that only the builder knows', `FROM a\n\u0085COPY --from=${evil} / /`],
    ['a line of what is no white space to the builder', `FROM a\nRUN x \\\n\ufeff\nFROM ${evil}`],
  ];
  for (const [name, text] of hidden) {
    it(`are found by ${name}`, () => assert.ok(images(text).includes(evil), JSON.stringify(images(text))));
  }

  it('leave out stages, their numbers and scratch', () => {
    const text =
      'FROM scratch AS One\nFROM one AS two\nCOPY --from=ONE / /\nCOPY --from=0 / /\nFROM node:24\n';
    assert.deepEqual(imagesOf(text, {}), [{ image: 'node:24', line: 5 }]);
  });

  it('follow the build arguments, which go over defaults', () => {
    assert.deepEqual(images('ARG NODE=node:24\nFROM ${NODE}-slim\n', { NODE: 'mine.example/node:1' }), [
      'mine.example/node:1-slim',
    ]);
    assert.deepEqual(images('ARG A\nARG B=$A\nFROM $B\n', { A: 'x' }), ['x']);
  });

  for (const text of [
    'FROM $UNKNOWN',
    'ARG A\nFROM $A',
    'ARG TARGETVARIANT=docker.io/a/\nFROM ${TARGETVARIANT}b',
    'ARG A=\nFROM ${A-b/}c',
    'FROM a\nCOPY --from=$X / /',
    'FROM a\nRUN ls \\\\\nFROM b',
    "FROM a\nRUN <<'E\\'\nE\\\nFROM b",
  ]) {
    it(`are not guessed: ${JSON.stringify(text)}`, () => {
      assert.throws(() => images(text), { code: 'policy_refused' });
    });
  }

  it('are told from what only looks like them', () => {
    assert.deepEqual(images('FROM a\nRUN python3 <<EOF\nfrom os import path\nEOF\nRUN echo --from=x\n'), [
      'a',
    ]);
  });
});

describe('the frontend of a Dockerfile', () => {
  it("may be Docker's, of a version that takes what the platform asks for", () => {
    for (const tag of ['', ':1', ':1.2', ':1.17.1', ':1-labs', ':latest'])
      requireKnownFrontend(`# syntax=docker/dockerfile${tag}\nFROM a\n`);
    requireKnownFrontend('# syntax = docker.io/docker/dockerfile:1\nFROM a\n');
  });

  for (const text of [
    '# syntax=docker/dockerfile:1.0-experimental',
    '#!/bin/x\n# syntax=evil/x',
    '//syntax=evil/x',
    '{"syntax":"evil/x"}',
    '\n\n#  SYNTAX  =  evil/x',
    '# syntax=docker/dockerfile.evil',
    '# syntax=evil/docker/dockerfile:1',
  ]) {
    it(`may not be another's: ${JSON.stringify(text)}`, () => {
      assert.throws(() => requireKnownFrontend(text), { code: 'policy_refused' });
    });
  }
});

describe('the sources of images', () => {
  const of = (registry: string, repository: string) => ({ registry, repository, tag: '1' });
  const sources = {
    registry: 'ghcr.io/functions',
    folders: ['alice', 'base', '/shared'],
    allowed: [...publicPatterns, { scheme: 'https' as const, registry: 'ghcr.io', folder: ['functions'] }],
  };

  it("are the owner's and the shared folders where the platform pushes to, whatever else is allowed there", () => {
    for (const repository of ['functions/alice/x', 'functions/base/x', 'shared/x'])
      assert.equal(isAllowedSource(sources, of('ghcr.io', repository)), true, repository);
    for (const repository of ['functions/bob/x', 'functions/alice-b/x', 'acme/x', 'base/x'])
      assert.equal(isAllowedSource(sources, of('ghcr.io', repository)), false, repository);
  });

  it('are no other names of the same registry', () => {
    const { allowed } = { allowed: [{ scheme: 'http' as const, registry: 'localhost:5000', folder: [] }] };
    const local = { registry: '127.0.0.1:5000', folders: ['alice'], allowed };
    assert.equal(isAllowedSource(local, of('localhost:5000', 'bob/x')), false);
    assert.equal(isAllowedSource(local, of('127.0.0.1:5000', 'alice/x')), true);
    assert.equal(isAllowedSource({ ...local, registry: undefined }, of('localhost:5000', 'bob/x')), true);
  });
});
