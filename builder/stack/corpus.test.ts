import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { describeError, TowlineError } from '../../core/errors.ts';
import { readStack } from './read-stack.ts';
import type { Stack, StackFunction } from './stack.ts';

/** Each `corpus/<name>.yml` is a stack file as people write them; `<name>.json` is what it means, reviewed by eye. */
const corpus = join(import.meta.dirname, 'corpus');

/** The environment files that the corpus names. */
const files = {
  'common.yml': 'environment:\n  LOG_LEVEL: info\n  REGION: eu-central-1\n',
  'production.yml': 'environment:\n  LOG_LEVEL: warn\n  WORKERS: 4\n  EMPTY:\n',
  'wrong.yml': 'environment:\n  - LOG_LEVEL=info\n',
};

/** As the expected results are written: what is empty or false is not said, places are `line:column`. */
function shortened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shortened);
  if (typeof value !== 'object' || value === null) return value;
  const record = value as Record<string, unknown>;
  if (typeof record['file'] === 'string' && typeof record['line'] === 'number') {
    return [record['line'], record['column']].filter((part) => part !== undefined).join(':');
  }
  const entries = Object.entries(record).map(
    ([key, each]) => [key, key === 'environment' ? each : shortened(each)] as const,
  );
  const isSaid = (each: unknown) =>
    each !== undefined &&
    each !== false &&
    each !== '' &&
    JSON.stringify(each) !== '{}' &&
    JSON.stringify(each) !== '[]';
  return Object.fromEntries(entries.filter(([key, each]) => key === 'environment' || isSaid(each)));
}

/** The stack file that a model stands for; of configuration and warnings, what belongs to functions. */
function printStack({ functions, copy, templates }: Pick<Stack, 'functions' | 'copy' | 'templates'>): string {
  const printed = functions.map((fn) => [
    fn.name,
    {
      lang: fn.lang,
      handler: fn.handler,
      image: fn.image,
      skip_build: fn.skipBuild,
      fprocess: fn.fprocess,
      environment: fn.environment,
      secrets: fn.secrets,
      labels: fn.labels,
      annotations: fn.annotations,
      limits: fn.limits,
      requests: fn.requests,
      constraints: fn.constraints,
      readonly_root_filesystem: fn.readOnlyRootFilesystem,
      build_args: fn.buildArgs,
      build_options: fn.buildOptions,
      build_secrets: fn.buildSecrets,
      platforms: fn.platforms,
      namespace: fn.namespace,
    },
  ]);
  const sources = templates.map(({ name, source, ref }) => ({
    name,
    source: ref === undefined ? source : `${source}#${ref}`,
  }));
  const stack = {
    version: '1.0',
    provider: { name: 'openfaas' },
    functions: Object.fromEntries(printed),
    configuration: { copy: copy.map(({ path }) => path), templates: sources },
  };
  // What is substituted again would be another text.
  return stringify(stack, { lineWidth: 0 }).replaceAll('${', () => '$${');
}

const withoutPlaces = ({ functions, copy, templates }: Stack): unknown =>
  JSON.parse(
    JSON.stringify({ functions, copy, templates }, (key, value) =>
      /places?$/i.test(key) ? undefined : value,
    ),
  );

describe('the corpus of stack files', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'towline-corpus-'));
    await mkdir(join(dir, 'env'));
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, 'env', name), text);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  async function read(text: string): Promise<Stack> {
    await writeFile(join(dir, 'stack.yml'), text);
    const languages = ['node', 'python3', 'python3-http', 'bash-streaming'];
    return readStack(dir, { owner: 'alice', languages, namespace: 'openfaas-fn' });
  }

  async function result(text: string): Promise<unknown> {
    try {
      return shortened(await read(text));
    } catch (error) {
      assert.ok(error instanceof TowlineError, String(error));
      return { code: error.code, error: describeError(error) };
    }
  }

  it('means what was agreed on, file by file, and the same once printed', async () => {
    const names = (await readdir(corpus)).filter((name) => name.endsWith('.yml')).sort();
    assert.ok(names.length >= 40, `there are ${names.length}`);
    for (const name of names) {
      const text = await readFile(join(corpus, name), 'utf8');
      const expected = join(corpus, name.replace(/\.yml$/, '.json'));
      const found = await result(text);
      if (process.env['UPDATE_CORPUS']) await writeFile(expected, `${JSON.stringify(found, undefined, 2)}\n`);
      assert.deepEqual(found, JSON.parse(await readFile(expected, 'utf8')), name);
      if (typeof found === 'object' && found !== null && 'error' in found) continue;
      const stack = await read(text);
      assert.deepEqual(withoutPlaces(await read(printStack(stack))), withoutPlaces(stack), name);
    }
  });

  const text = fc.string({ unit: 'grapheme', maxLength: 10 }).filter((value) => !/[\0\ufeff]/.test(value));
  const key = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
  const path = fc.stringMatching(/^[a-z]{1,8}(\/[a-z.]{1,4}x)?$/);
  const texts = fc.dictionary(key, text, { maxKeys: 3, noNullPrototype: true });
  const amount = fc.stringMatching(/^[1-9][0-9]{0,3}(m|Mi|Gi)?$/);
  const resources = fc.record({ memory: amount, cpu: amount }, { requiredKeys: [], noNullPrototype: true });
  const secret = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/);
  const place = fc.constant({ file: 'stack.yml' });
  const fn: fc.Arbitrary<StackFunction> = fc.record({
    name: fc.stringMatching(/^f[a-z0-9]{0,8}$/),
    lang: fc.constantFrom('node', 'python3', 'dockerfile'),
    handler: path,
    environment: texts,
    secrets: fc.array(secret, { maxLength: 2 }),
    labels: texts,
    annotations: texts,
    limits: resources,
    requests: resources,
    constraints: fc.array(fc.constantFrom('a=b', 'kubernetes.io/arch==arm64'), { maxLength: 2 }),
    readOnlyRootFilesystem: fc.boolean(),
    buildArgs: texts,
    buildOptions: fc.array(text, { maxLength: 2 }),
    buildSecrets: fc.dictionary(key, secret, { maxKeys: 2, noNullPrototype: true }),
    platforms: fc.uniqueArray(fc.constantFrom('linux/amd64', 'linux/arm64', 'linux/arm/v7')),
    image: fc.option(fc.constantFrom('a/b:1', 'ghcr.io/a/b@sha256:0'), { nil: undefined }),
    skipBuild: fc.constant(false),
    namespace: fc.option(fc.constantFrom('openfaas-fn', 'x'), { nil: undefined }),
    place,
  });

  it('gives any stack back that was printed', async () => {
    const functions = fc.uniqueArray(fn, { selector: ({ name }) => name, maxLength: 3 });
    const copy = fc.array(
      path.map((each) => ({ path: each, place: { file: 'stack.yml' } })),
      { maxLength: 2 },
    );
    const templates = fc.array(
      fc.record({
        name: fc.constantFrom('go', 'rust'),
        source: fc.constantFrom('https://host/t', 'git@host:t.git'),
        ref: fc.option(fc.constantFrom('v1', 'feature/x'), { nil: undefined }),
        place,
      }),
      { maxLength: 2 },
    );
    await fc.assert(
      fc.asyncProperty(functions, copy, templates, async (wantedFunctions, wantedCopy, wantedTemplates) => {
        const wanted = { functions: wantedFunctions, copy: wantedCopy, templates: wantedTemplates };
        const back = await read(printStack(wanted));
        assert.deepEqual(back.refused, []);
        const empty: Stack = { file: '', refused: [], warnings: [], ...wanted };
        const sorted = (stack: Stack) => ({
          ...stack,
          functions: stack.functions
            .map(({ buildOptionsPlace: _, ...each }) => each)
            .sort((a, b) => (a.name < b.name ? -1 : 1)),
        });
        assert.deepEqual(withoutPlaces(sorted(back)), withoutPlaces(sorted(empty)));
        assert.deepEqual(withoutPlaces(await read(printStack(back))), withoutPlaces(back));
      }),
      { numRuns: 60 },
    );
  });
});
