import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { describeError, formatPlace, TowlineError } from '../../core/errors.ts';
import { readStack } from './read-stack.ts';

const options = { owner: 'alice', languages: ['node', 'python3-http'] };
const provider = 'provider: {name: openfaas}\n';

describe('reading a stack file', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'towline-stack-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  async function read(stack: string, files: Record<string, string> = {}) {
    for (const [path, text] of Object.entries({ 'stack.yml': stack, ...files })) {
      await mkdir(dirname(join(dir, path)), { recursive: true });
      await writeFile(join(dir, path), text);
    }
    return readStack(dir, options);
  }

  async function failure(stack: string, files: Record<string, string> = {}): Promise<string> {
    const error = await read(stack, files).then(
      () => assert.fail('it was accepted'),
      (thrown) => thrown,
    );
    assert.ok(error instanceof TowlineError, String(error?.stack));
    return `${error.code} ${describeError(error)}`;
  }

  it('takes 100 functions and refuses more, at the place of the first one too many', async () => {
    const rows = (count: number) =>
      [...Array(count).keys()].map((n) => `  f${n}: {lang: node, handler: ./f}\n`).join('');
    assert.equal((await read(`${provider}functions:\n${rows(100)}`)).functions.length, 100);
    assert.equal(
      await failure(`${provider}functions:\n${rows(3000)}`),
      'stack_invalid stack.yml:103:3: there are 3000 functions; a stack file may have 100 (divide them among several repositories)',
    );
  });

  it('reads every field', async () => {
    const stack = await read(
      `version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
functions:
  hello:
    lang: node
    handler: ./src/hello/
    environment: {A: 1.10, B: true, C: , D: "x: y", E: null}
    secrets: [api-key]
    labels: {team: blue}
    annotations:
      topic: a
    limits: {memory: 128Mi, cpu: 100m}
    requests: {memory: 64Mi}
    constraints: ["node.kubernetes.io/arch = amd64"]
    readonly_root_filesystem: true
    build_args: {GO: "1"}
    build_options: [dev, extra]
    build_secrets: {npmrc: npm-token}
    platforms: linux/amd64, linux/arm64
    fprocess: node other.js
    image: registry.example.com/hello:1.0
    skip_build: false
    namespace: fn
configuration:
  copy: [./shared/]
  templates:
    - name: go
      source: https://example.com/templates.git#v1.2
    - {name: rust}
`,
    );
    assert.deepEqual(stack, {
      file: 'stack.yml',
      functions: [
        {
          name: 'hello',
          lang: 'node',
          handler: 'src/hello',
          environment: { fprocess: 'node other.js', A: '1.10', B: 'true', C: '', D: 'x: y', E: '' },
          secrets: ['api-key'],
          labels: { team: 'blue' },
          labelPlaces: { team: { file: 'stack.yml', line: 11, column: 14 } },
          annotations: { topic: 'a' },
          annotationPlaces: { topic: { file: 'stack.yml', line: 13, column: 7 } },
          limits: { memory: '128Mi', cpu: '100m' },
          requests: { memory: '64Mi' },
          constraints: ['node.kubernetes.io/arch = amd64'],
          readOnlyRootFilesystem: true,
          buildArgs: { GO: '1' },
          buildOptions: ['dev', 'extra'],
          buildOptionsPlace: { file: 'stack.yml', line: 19, column: 20 },
          buildSecrets: { npmrc: 'npm-token' },
          platforms: ['linux/amd64', 'linux/arm64'],
          fprocess: 'node other.js',
          image: 'registry.example.com/hello:1.0',
          imagePlace: { file: 'stack.yml', line: 23, column: 12 },
          skipBuild: false,
          namespace: 'fn',
          place: { file: 'stack.yml', line: 6, column: 3 },
          langPlace: { file: 'stack.yml', line: 7, column: 11 },
          handlerPlace: { file: 'stack.yml', line: 8, column: 14 },
        },
      ],
      refused: [],
      copy: [{ path: 'shared', place: { file: 'stack.yml', line: 27, column: 10 } }],
      templates: [
        {
          name: 'go',
          source: 'https://example.com/templates.git',
          ref: 'v1.2',
          place: { file: 'stack.yml', line: 30, column: 15 },
        },
        { name: 'rust', place: { file: 'stack.yml', line: 31, column: 7 } },
      ],
      warnings: [
        'stack.yml:23:5: image is ignored: the platform names what it builds (to deploy this image, add "skip_build: true")',
        'stack.yml:25:5: the namespace "fn" is ignored: the installation decides where functions run',
      ],
    });
  });

  it('takes stack.yaml too, and before stack.yml, with a word about it', async () => {
    const text = `${provider}functions: {a: {lang: node, handler: a}}\n`;
    await writeFile(join(dir, 'stack.yaml'), text);
    assert.equal((await readStack(dir, options)).file, 'stack.yaml');
    const both = await read('not read: [');
    assert.deepEqual(
      [both.file, both.warnings],
      ['stack.yaml', ['stack.yml: ignored, because there is a stack.yaml too']],
    );
  });

  it('says how a stack file looks if there is none', async () => {
    await assert.rejects(readStack(dir, { ...options, languages: ['bash-streaming', 'node'] }), {
      code: 'stack_missing',
      hint: /functions: \{ hello: \{ lang: node, handler: \.\/hello \} \}/,
    });
  });

  it('follows anchors, aliases and merges', async () => {
    const stack = await read(`${provider}x-env: &env {A: one, B: two}
x-base: &base
  lang: node
  environment: *env
functions:
  a: {<<: *base, handler: a}
  b:
    <<: [*base, {handler: wrong, readonly_root_filesystem: true}]
    handler: b
    environment: {<<: *env, B: own}
`);
    const [a, b] = stack.functions;
    assert.deepEqual(a?.environment, { A: 'one', B: 'two' });
    assert.deepEqual(
      [b?.environment, b?.handler, b?.readOnlyRootFilesystem],
      [{ B: 'own', A: 'one' }, 'b', true],
    );
    assert.deepEqual(stack.warnings, []);
  });

  it('replaces variables by their defaults before parsing, and keeps the places of what follows', async () => {
    const stack = await read(
      `${provider}functions:
  a: {lang: "\${LANG_NAME:-node}", handler: \${DIR:-\${OTHER:-src}}/a, environment: {A: "\${A}", B: "$\${B}", C: \${C-c}, D: "\${D:-}"}, typo: 1}
`,
    );
    assert.deepEqual(stack.functions[0]?.environment, { A: '', B: '${B}', C: 'c', D: '' });
    assert.deepEqual([stack.functions[0]?.lang, stack.functions[0]?.handler], ['node', 'src/a']);
    assert.deepEqual(stack.warnings, [
      'stack.yml:3:87: ${A} is empty: a build is given no variables; write ${A:-value}',
      'stack.yml:3:131: the field "typo" is not known and is ignored',
    ]);
  });

  it('reads environment files over the environment, the later file over the earlier', async () => {
    const stack = await read(
      `${provider}functions: {a: {lang: node, handler: a, environment: {A: inline, B: inline, C: inline}, environment_file: [one.yml, conf/two.yml]}}`,
      { 'one.yml': 'environment:\n  B: 1\n  C: 1\n', 'conf/two.yml': 'environment: {C: "${X}"}\nother: 1\n' },
    );
    assert.deepEqual(stack.functions[0]?.environment, { A: 'inline', B: '1', C: '${X}' });
    assert.deepEqual(stack.warnings, ['conf/two.yml:2:1: the key "other" is not known and is ignored']);
  });

  it('keeps names that mean something in JavaScript as plain data', async () => {
    const stack = await read(
      `${provider}functions: {a: {lang: node, handler: a, constructor: 1, environment: {__proto__: x, constructor: y}}}`,
    );
    assert.deepEqual(Object.entries(stack.functions[0]!.environment), [
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    assert.equal(stack.warnings.length, 1);
  });

  it('warns, with the place and the nearest name, about everything that it does not use', async () => {
    const { warnings } = await read(`function: {}
functions:
  a:
    lang: node
    handler: a
    enviroment: {}
    limits: {gpu: 1, Memory: 1}
    read-only-root-filesystem: true
    timeouts: 5
  b:
    skip_build: true
    image: x/b:1
    build_args: {A: b}
configuration:
  copies: []
  templates: [{name: x, sources: y}]
more: 1
x-anything: 1
`);
    assert.deepEqual(warnings, [
      'stack.yml:1: there is no provider; faas-cli wants one: write "provider:" and below it, indented, "name: openfaas"',
      'stack.yml:1:1: the key "function" is not known and is ignored; did you mean "functions"?',
      'stack.yml:6:5: the field "enviroment" is not known and is ignored; did you mean "environment"?',
      'stack.yml:7:14: the field "gpu" of limits is not known and is ignored',
      'stack.yml:7:22: the field "Memory" of limits is not known and is ignored; did you mean "memory"?',
      'stack.yml:8:5: the field "read-only-root-filesystem" is not known and is ignored; did you mean "readonly_root_filesystem"?',
      'stack.yml:9:5: the field "timeouts" is not known and is ignored',
      'stack.yml:13:5: build_args is ignored: nothing is built with skip_build',
      'stack.yml:15:3: the field "copies" of configuration is not known and is ignored',
      'stack.yml:16:25: the field "sources" of a template is not known and is ignored; did you mean "source"?',
      'stack.yml:17:1: the key "more" is not known and is ignored',
    ]);
  });

  it('deploys an image without lang and handler, and refuses one that is not named', async () => {
    const stack = await read(`${provider}functions:
  a: {skip_build: true, image: "ghcr.io/x/a:1"}
  b: {skip_build: true}
`);
    assert.deepEqual(
      stack.functions.map(({ name, lang, handler, image, skipBuild }) => [
        name,
        lang,
        handler,
        image,
        skipBuild,
      ]),
      [['a', '', '', 'ghcr.io/x/a:1', true]],
    );
    const { cause } = stack.refused[0]!;
    assert.deepEqual([cause.code, cause.place?.line], ['stack_invalid', 4]);
    assert.deepEqual(stack.warnings, []);
  });

  it("says nothing of a namespace that is the installation's own", async () => {
    await writeFile(
      join(dir, 'stack.yml'),
      `${provider}functions: {a: {lang: node, handler: a, namespace: fn}}`,
    );
    assert.deepEqual((await readStack(dir, { ...options, namespace: 'fn' })).warnings, []);
    assert.equal((await readStack(dir, { ...options, namespace: 'other' })).warnings.length, 1);
  });

  it('lets fprocess be the variable of that name, unless the environment says another', async () => {
    const stack = await read(
      `${provider}functions:
  a: {lang: node, handler: a, fprocess: "x  y "}
  b: {lang: node, handler: a, fprocess: x, environment: {fprocess: z}}
  c: {lang: node, handler: a, fprocess: x, environment_file: [e.yml]}
`,
      { 'e.yml': 'environment: {fprocess: file}' },
    );
    assert.deepEqual(
      stack.functions.map(({ environment }) => environment['fprocess']),
      ['x  y', 'z', 'file'],
    );
  });

  it('leaves a language that a repository of templates may know to the build', async () => {
    const text = `${provider}functions: {a: {lang: go, handler: a}}`;
    const references = '\nconfiguration: {templates: [{name: x, source: https://example.com/t}]}';
    assert.equal((await read(text)).refused.length, 1);
    assert.equal((await read(text + references)).functions.length, 1);
    await writeFile(join(dir, 'stack.yml'), text);
    assert.equal((await readStack(dir, { ...options, acceptsOthers: true })).functions.length, 1);
  });

  it('accepts that the last function is gone, with a warning', async () => {
    const stack = await read(`${provider}functions:\n`);
    assert.deepEqual(
      [stack.functions, stack.warnings],
      [[], ['stack.yml:2:1: there are no functions in it']],
    );
  });

  it('refuses single functions with code and place, and lets the others go on', async () => {
    const stack = await read(`${provider}functions:
  good: {lang: node, handler: good}
  Hello: {lang: node, handler: a}
  a.b: {lang: node, handler: a}
  ..: {lang: node, handler: a}
  ../../etc/x: {lang: node, handler: a}
  ${'x'.repeat(80)}: {lang: node, handler: a}
  kustomization: {lang: node, handler: a}
  tenant: {lang: node, handler: a}
  up: {lang: node, handler: ../up}
  root: {lang: node, handler: /etc}
  inner: {lang: node, handler: a/../../b}
  git: {lang: node, handler: .git/hooks}
  backslash: {lang: node, handler: 'a\\b'}
  none: {lang: node}
  cobol: {lang: cobol, handler: a}
  docker: {lang: Dockerfile, handler: a}
  nolang: {handler: a}
  envfile: {lang: node, handler: a, environment_file: [../../secrets.yml]}
`);
    assert.deepEqual(
      stack.functions.map(({ name }) => name),
      ['good', 'docker'],
    );
    assert.equal(stack.functions[1]?.lang, 'dockerfile');
    const refused = stack.refused.map(
      ({ name, cause }) => `${name.slice(0, 12)} ${cause.code} ${formatPlace(cause.place!)}`,
    );
    assert.deepEqual(refused, [
      'Hello name_invalid stack.yml:4:3',
      'a.b name_invalid stack.yml:5:3',
      '.. name_invalid stack.yml:6:3',
      '../../etc/x name_invalid stack.yml:7:3',
      'xxxxxxxxxxxx name_invalid stack.yml:8:3',
      'kustomizatio name_invalid stack.yml:9:3',
      'tenant name_invalid stack.yml:10:3',
      'up path_escapes stack.yml:11:29',
      'root path_escapes stack.yml:12:31',
      'inner path_escapes stack.yml:13:32',
      'git path_escapes stack.yml:14:30',
      'backslash path_escapes stack.yml:15:36',
      'none handler_missing stack.yml:16:3',
      'cobol language_unknown stack.yml:17:17',
      'nolang language_unknown stack.yml:19:3',
      'envfile path_escapes stack.yml:20:56',
    ]);
    const causes = new Map(stack.refused.map(({ name, cause }) => [name, cause]));
    assert.equal(causes.get('cobol')?.hint, 'known here: node, python3-http, dockerfile');
  });

  const good = `${provider}functions:\n  a: {lang: node, handler: a`;
  const bad: [string, string, string][] = [
    [
      'broken YAML',
      'functions:\n  a: b: c\n',
      'stack_invalid stack.yml:2:6: not valid YAML: Nested mappings',
    ],
    ['a tab', 'functions:\n\ta: 1\n', 'stack_invalid stack.yml:2:1: not valid YAML: Tabs are not allowed'],
    ['an open bracket', 'functions: [\n', 'stack_invalid stack.yml:2:1: not valid YAML: Flow sequence'],
    [
      'broken YAML after a replaced variable',
      'a: ${LONG_NAME:-x} b: c\n',
      'stack_invalid stack.yml:1:4: not valid YAML: Nested',
    ],
    [
      'two documents',
      `${good}}\n---\na: 1\n`,
      'stack_invalid stack.yml:4:1: not valid YAML: it holds more than one document',
    ],
    ['an unknown alias', 'functions: *x\n', 'stack_invalid stack.yml:1:12: the alias *x has no anchor'],
    [
      'an alias before its anchor',
      'a: *x\nb: &x 1\n',
      'stack_invalid stack.yml:1: the key "functions" is missing; also stack.yml:1:4: the alias *x has no anchor',
    ],
    [
      'a duplicate key',
      `${good}, handler: b}\n`,
      'stack_invalid stack.yml:3:31: the key "handler" is there twice',
    ],
    [
      'a duplicate function',
      `${good}}\n  a: {}\n`,
      'stack_invalid stack.yml:4:3: the key "a" is there twice',
    ],
    ['a list at the top', '- a\n', 'stack_invalid stack.yml:1:1: a stack file must be a map, not a list'],
    ['plain text', 'hello\n', 'stack_invalid stack.yml:1:1: a stack file must be a map, not "hello"'],
    ['an empty file', '', 'stack_invalid stack.yml:1: the key "functions" is missing'],
    ['no functions', provider, 'stack_invalid stack.yml:1: the key "functions" is missing'],
    [
      'functions as a list',
      `${provider}functions:\n  - a\n`,
      'stack_invalid stack.yml:3:3: functions must be a map, not a list',
    ],
    [
      'a function that is a text',
      `${provider}functions:\n  a: node\n`,
      'stack_invalid stack.yml:3:6: functions.a must be a map, not "node"',
    ],
    [
      'another version',
      `version: 2.0\n${good}}\n`,
      'stack_invalid stack.yml:1:10: the version "2.0" is not known (write "version: 1.0")',
    ],
    [
      'another provider',
      'provider:\n  name: faas\nfunctions: {}\n',
      'stack_invalid stack.yml:2:9: the provider must be "openfaas", not "faas"',
    ],
    [
      'environment as a list',
      `${good}, environment: [A=1]}\n`,
      'stack_invalid stack.yml:3:44: environment must be a map, not a list (write "environment:" and below it',
    ],
    [
      'environment of maps',
      `${good}, environment: {A: {B: 1}}}\n`,
      'stack_invalid stack.yml:3:48: environment.A must be a text, not a map',
    ],
    [
      'an impossible variable',
      `${good}, environment: {"A=B": 1}}\n`,
      'stack_invalid stack.yml:3:45: "A=B" and its value cannot be',
    ],
    [
      'secrets as a text',
      `${good}, secrets: key}\n`,
      'stack_invalid stack.yml:3:40: secrets must be a list, not "key"',
    ],
    [
      'a secret with a path',
      `${good}, secrets: [../x]}\n`,
      'stack_invalid stack.yml:3:41: "../x" is no name of a secret',
    ],
    [
      'a list in constraints',
      `${good}, constraints: [[x]]}\n`,
      'stack_invalid stack.yml:3:45: each item of constraints must be a text, not a list',
    ],
    [
      'lang as a list',
      `${provider}functions:\n  a:\n    lang: [node]\n`,
      'stack_invalid stack.yml:4:11: lang must be a text, not a list',
    ],
    [
      'a number for true',
      `${good}, readonly_root_filesystem: 1}\n`,
      'stack_invalid stack.yml:3:57: readonly_root_filesystem must be true or false, not "1"',
    ],
    [
      'an amount in words',
      `${good}, limits: {memory: lots}}\n`,
      'stack_invalid stack.yml:3:48: "lots" is no amount of memory',
    ],
    [
      'a key that is a map',
      '? {a: 1}\n: 2\nfunctions: {}\n',
      'stack_invalid stack.yml:1:3: a key must be a text, not a map',
    ],
    ['a merge of a text', `${good}, <<: x}\n`, 'stack_invalid stack.yml:3:35: "<<" merges maps, not "x"'],
    [
      'a merge of itself',
      'functions: &f {<<: *f}\n',
      'stack_invalid stack.yml:1:15: "<<" merges maps more than 20 deep',
    ],
    [
      'copying everything',
      `${good}}\nconfiguration: {copy: [.]}\n`,
      'stack_invalid stack.yml:4:24: configuration.copy: the whole repository',
    ],
    [
      'copying from outside',
      `${good}}\nconfiguration: {copy: [../x]}\n`,
      'path_escapes stack.yml:4:24: configuration.copy: "../x" leads out',
    ],
    [
      'copying an absolute path',
      `${good}}\nconfiguration: {copy: [a, /etc]}\n`,
      'path_escapes stack.yml:4:27: configuration.copy: "/etc" leads out',
    ],
    [
      'copy as a text',
      `${good}}\nconfiguration: {copy: a}\n`,
      'stack_invalid stack.yml:4:23: configuration.copy must be a list, not "a"',
    ],
    [
      'a missing environment file',
      `${good}, environment_file: [e.yml]}\n`,
      'stack_invalid stack.yml:3:50: the environment file "e.yml" is not in the repository',
    ],
  ];
  for (const [what, text, expected] of bad) {
    it(`says where and why for ${what}`, async () => {
      assert.ok((await failure(text)).startsWith(expected), await failure(text));
    });
  }

  it('gives places inside an environment file too', async () => {
    const files = { 'e.yml': 'environment:\n  A: [1]\n' };
    const text = `${good}, environment_file: [e.yml]}\n`;
    assert.match(await failure(text, files), /^stack_invalid e\.yml:2:6: environment\.A must be a text/);
    assert.match(
      await failure(text, { 'e.yml': 'A: 1\n' }),
      /^stack_invalid e\.yml: an environment file needs a key/,
    );
    assert.match(await failure(text, { 'e.yml': 'a: b: c' }), /^stack_invalid e\.yml:1:4: not valid YAML/);
  });

  it('reports every problem, in the order of the lines', async () => {
    const message = await failure('provider: {name: x}\nfunctions:\n  a: 1\n  b: {lang: [1], secrets: 2}\n');
    assert.match(
      message,
      /stack\.yml:1:18: .*; also stack\.yml:3:6: .*; also stack\.yml:4:13: .*; also stack\.yml:4:27: /,
    );
  });

  it('shows what a user wrote without control characters and cut short', async () => {
    const message = await failure(`functions: "\\e[31m${'x'.repeat(5000)}\\n"\n`);
    assert.ok(message.length < 400, message);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what must not be there
    assert.doesNotMatch(message, /[\u0000-\u001f]/);
  });

  it('refuses a stack file that is a link out, too large, not text or not a file', async () => {
    await symlink('/etc/passwd', join(dir, 'stack.yml'));
    await assert.rejects(readStack(dir, options), { code: 'path_escapes', place: { file: 'stack.yml' } });
    await rm(join(dir, 'stack.yml'));
    await assert.rejects(read('#'.repeat(262_145)), { code: 'stack_invalid', message: /larger than 256 kB/ });
    await writeFile(join(dir, 'stack.yml'), Buffer.from([0x61, 0xff, 0xfe]));
    await assert.rejects(readStack(dir, options), { code: 'stack_invalid', message: /not UTF-8/ });
    await rm(join(dir, 'stack.yml'));
    await mkdir(join(dir, 'stack.yml'));
    await assert.rejects(readStack(dir, options), { code: 'stack_invalid', message: /not a plain file/ });
  });

  const bombs: [string, string][] = [
    ['brackets', '['.repeat(200_000)],
    ['maps', '{a: '.repeat(50_000)],
    ['one-line sequences', '- '.repeat(100_000)],
    [
      'aliases of aliases',
      `a0: &a0 [x]\n${Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(9)}]\n`).join('')}functions: {f: {lang: node, handler: f, secrets: *a30}}\n`,
    ],
    [
      'merges of merges',
      `a0: &a0 {x: 1}\n${Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} {<<: [${`*a${n},`.repeat(9)}]}\n`).join('')}functions: {f: *a30}\n`,
    ],
    [
      'one large map used by every function',
      `e: &e {${Array.from({ length: 5000 }, (_, n) => `K${n}: v`).join(',')}}\nfunctions:\n${Array.from({ length: 3000 }, (_, n) => `  f${n}: {lang: node, handler: f, environment: *e}\n`).join('')}`,
    ],
    ['variables in variables', `functions: "${'${A:-'.repeat(40_000)}"\n`],
  ];
  for (const [what, text] of bombs) {
    it(`does not choke on ${what}`, { timeout: 120_000 }, async () => {
      assert.match(await failure(text), /^stack_invalid /);
    });
  }

  it('reads fifteen thousand keys', { timeout: 120_000 }, async () => {
    const environment = Object.fromEntries(Array.from({ length: 15_000 }, (_, n) => [`K${n}`, '1']));
    const stack = await read(stringify({ functions: { a: { lang: 'node', handler: 'a', environment } } }));
    assert.equal(Object.keys(stack.functions[0]!.environment).length, 15_000);
  });

  it('gives back what was written, for any names and texts', async () => {
    const text = fc
      .string({ unit: 'grapheme', maxLength: 12 })
      .filter((value) => !value.includes('${') && !value.includes('\0'));
    const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.]{0,8}$/);
    const fn = fc.record({
      lang: fc.constant('node'),
      handler: fc.stringMatching(/^[a-z]{1,8}(\/[a-z]{1,8})?$/),
      environment: fc.dictionary(name, text, { maxKeys: 4, noNullPrototype: true }),
      labels: fc.dictionary(name, text, { maxKeys: 4, noNullPrototype: true }),
      constraints: fc.array(
        text.map((value) => `k=${value.replaceAll('=', '')}`),
        { maxLength: 3 },
      ),
    });
    const functions = fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/), fn, { maxKeys: 4 });
    await fc.assert(
      fc.asyncProperty(functions, async (written) => {
        const stack = await read(stringify({ provider: { name: 'openfaas' }, functions: written }));
        const back = stack.functions.filter(({ name: key }) => Object.hasOwn(written, key));
        assert.equal(back.length + stack.refused.length, Object.keys(written).length);
        for (const { name: key, lang, handler, environment, labels, constraints } of back) {
          assert.deepEqual({ lang, handler, environment, labels, constraints }, { ...written[key] });
        }
      }),
      { numRuns: 100 },
    );
  });
});
