import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { emptyConfiguration } from '../../core/function-spec.ts';
import type { StackFunction } from '../stack/stack.ts';
import { buildArgsOf, describeTemplate, templateLabels, withProcess } from './build-inputs.ts';
import type { Template } from './template.ts';

const template: Template = {
  language: 'python3',
  dir: '/templates/python3',
  handlerFolder: 'function',
  command: ['python3', 'index.py'],
  mode: 'serializing',
  environment: {},
  buildSteps: [],
  buildOptions: [
    { name: 'dev', packages: ['make', 'gcc'] },
    { name: 'pillow', packages: ['gcc', 'jpeg-dev'] },
    { name: 'none', packages: [] },
  ],
};

function fnWith(fields: Partial<StackFunction>): StackFunction {
  const place = { file: 'stack.yml', line: 2, column: 3 };
  return {
    ...emptyConfiguration(),
    name: 'a',
    lang: 'python3',
    handler: 'a',
    buildArgs: {},
    buildOptions: [],
    buildSecrets: {},
    platforms: [],
    skipBuild: false,
    place,
    ...fields,
  };
}

describe('the build arguments of a function', () => {
  it('are those of the stack file, if it names no options', () => {
    assert.deepEqual(buildArgsOf(fnWith({ buildArgs: { GO111MODULE: 'on' } }), template), {
      GO111MODULE: 'on',
    });
  });

  it("hold the options' packages once each, in order, with those written as an argument", () => {
    const fn = fnWith({
      buildOptions: ['dev', 'pillow', 'none'],
      buildArgs: { A: '1', ADDITIONAL_PACKAGE: 'git  make' },
    });
    assert.deepEqual(buildArgsOf(fn, template), { A: '1', ADDITIONAL_PACKAGE: 'make gcc jpeg-dev git' });
  });

  it('refuse an option that the template has not, at its place', () => {
    const buildOptionsPlace = { file: 'stack.yml', line: 9, column: 7 };
    const fn = fnWith({ buildOptions: ['dev', 'nope'], buildOptionsPlace });
    assert.throws(() => buildArgsOf(fn, template), {
      code: 'stack_invalid',
      message: 'the language "python3" has no build option "nope"',
      place: buildOptionsPlace,
      hint: 'it has: dev, pillow, none',
    });
    assert.throws(() => buildArgsOf(fn, null), { hint: 'it has none: remove build_options' });
  });
});

describe("a function's own process", () => {
  it("takes the place of the template's, in words", () => {
    const own = withProcess(template, fnWith({ environment: { fprocess: ' python3  -u other.py ' } }));
    assert.deepEqual(own, { ...template, command: ['python3', '-u', 'other.py'] });
  });

  it("is the template's otherwise", () => {
    assert.equal(withProcess(template, fnWith({ environment: { fprocess: ' ' } })), template);
    assert.equal(withProcess(template, fnWith({})), template);
  });
});

describe('what a build tells of its template', () => {
  const commit = 'ab12'.repeat(10);
  const from = { ...template, origin: { kind: 'git', source: 'https://host/t', commit } as const };

  it('is its source and commit', () => {
    assert.equal(describeTemplate('go', from), 'go of https://host/t at ab12ab12ab12');
    assert.deepEqual(templateLabels(from), {
      'dev.towline.template-source': 'https://host/t',
      'dev.towline.template-commit': commit,
    });
  });

  it('is the folder of the repository itself, or nothing', () => {
    const own = { ...template, origin: { kind: 'repository' } as const };
    assert.equal(describeTemplate('go', own), "go of the repository's own template folder");
    assert.equal(describeTemplate('go', template), 'go');
    assert.deepEqual([templateLabels(own), templateLabels(null)], [{}, {}]);
  });
});
