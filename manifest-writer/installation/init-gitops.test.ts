import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { settleFile } from './settle-file.ts';

const base = {
  repository: 'https://git.example.org/acme/functions.git',
  ...{ domain: 'fn.example.org', registry: 'registry.example.org', tenants: ['alice'] },
  image: `registry.example.org/towline@sha256:${'a'.repeat(64)}`,
};
const main = join(import.meta.dirname, 'main.ts');

/** A clone of a GitOps repository, and an operator who works in it. */
async function operator(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'towline-init-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const repo = join(dir, 'repo');
  const config = join(dir, 'installation.yaml');
  const git = (...args: string[]) => promisify(execFile)('git', ['-C', repo, ...args]);
  await promisify(execFile)('git', ['init', '--quiet', '-b', 'main', repo]);
  const text = (path: string) => readFile(join(repo, path), 'utf8');
  return {
    text,
    /** Runs it for the settings, and gives what it printed. */
    async init(settings: object = {}, ...options: string[]): Promise<string> {
      await writeFile(config, JSON.stringify({ ...base, ...settings }));
      const args = [main, repo, '--config', config, ...options];
      return (await promisify(execFile)(process.execPath, args)).stdout;
    },
    has: (path: string) => existsSync(join(repo, path)),
    async write(path: string, content: string) {
      await mkdir(join(repo, path, '..'), { recursive: true });
      await writeFile(join(repo, path), content);
    },
    async edit(path: string, from: string | RegExp, to: string) {
      const before = await text(path);
      const after = before.replace(from, to);
      assert.notEqual(after, before, path);
      await writeFile(join(repo, path), after);
    },
    async commit() {
      await git('add', '-A');
      const as = ['-c', 'user.name=Olga', '-c', 'user.email=o@example.org'];
      await git(...as, 'commit', '--quiet', '--allow-empty', '-m', 'Set up');
    },
    status: async () => (await git('status', '--porcelain')).stdout,
    /** The files that an engine could apply. */
    async files() {
      const entries = await readdir(repo, { recursive: true, withFileTypes: true });
      const paths = entries
        .filter((one) => one.isFile())
        .map((one) => join(one.parentPath, one.name).slice(repo.length + 1));
      return paths.filter((path) => !/(^|\/)\.(git|towline)\//.test(path)).sort();
    },
  };
}

describe('npm run init-gitops', () => {
  it('writes what differs, and keeps what else is in the folder', async (t) => {
    const olga = await operator(t);
    assert.match(await olga.init(), /^ {2}new {6}README\.md\n[\s\S]*\n(\d+) of \1 files written/);
    await olga.write('tenants/alice.txt', 'mine');
    await olga.write('platform/mine.yaml', 'kind: Mine\n');
    await olga.commit();
    assert.match(await olga.init(), /^0 of /);
    assert.match(
      await olga.init({ tenants: ['alice', 'bob'] }),
      /^ {2}new {6}flux\/tenants\/bob\.yaml\n1 of /,
    );
    assert.equal(await olga.text('tenants/alice.txt'), 'mine');
    assert.equal(await olga.text('platform/mine.yaml'), 'kind: Mine\n');
    await assert.rejects(
      olga.init({ domain: 7 }),
      /init-gitops: the installation's file has 1 problem\(s\)\n {2}domain/,
    );
  });

  it("makes every tenant's file from the template, whoever set the tenant up", async (t) => {
    const olga = await operator(t);
    await olga.init();
    await olga.write('flux/tenants/carol.yaml', 'older: true\n');
    await olga.commit();
    assert.match(await olga.init(), /^ {2}changed {2}flux\/tenants\/carol\.yaml\n1 of /);
    assert.match(await olga.text('flux/tenants/carol.yaml'), /tenant-carol/);
  });

  it('does not write over what is in no commit', async (t) => {
    const olga = await operator(t);
    await olga.init();
    await olga.commit();
    await olga.edit('platform/registry.yaml', /$/, '# unsaved\n');
    await assert.rejects(olga.init({}, '--overwrite'), /in no commit yet[\s\S]*platform\/registry\.yaml/);
    await olga.edit('flux/releases/openfaas.yaml', /$/, '# unsaved\n');
    await assert.rejects(olga.init({ openfaas: false }), /in no commit yet[\s\S]*releases\/openfaas\.yaml/);
    assert.match(await olga.text('platform/registry.yaml'), /# unsaved/);
    assert.match(await olga.text('flux/releases/openfaas.yaml'), /# unsaved/);
  });
});

describe("an operator's changes to what init-gitops made", () => {
  it('stay, through a change of the installation that comes to the same files', async (t) => {
    const olga = await operator(t);
    await olga.init();
    await olga.commit();
    await olga.edit('platform/forges.yaml', /$/, '  TOWLINE_SOURCE_HOSTS: git.example.org\n');
    await olga.edit('platform/router.yaml', 'replicas: 2', 'replicas: 7');
    await olga.edit('platform/settings.yaml', /$/, '    policy:\n      dockerfile: false\n');
    await olga.commit();
    const printed = await olga.init({ domain: 'other.example.org', image: base.image.replace('aaa', 'bbb') });
    assert.match(printed, /^ {2}kept {5}platform\/forges\.yaml$/m);
    assert.match(printed, /^ {2}merged {3}platform\/router\.yaml$/m);
    assert.match(await olga.text('platform/forges.yaml'), /SOURCE_HOSTS: git\.example\.org/);
    const router = await olga.text('platform/router.yaml');
    assert.match(router, /replicas: 7/);
    assert.match(router, /sha256:bbb/);
    const settings = await olga.text('platform/settings.yaml');
    assert.match(settings, /https:\/\/other\.example\.org/);
    assert.match(settings, /dockerfile: false/);
    await olga.commit();
    // Of what was merged, too, it knows afterwards which part is whose.
    await olga.init({ image: base.image.replace('aaa', 'ccc') });
    assert.match(await olga.text('platform/router.yaml'), /replicas: 7/);
    assert.match(await olga.text('platform/router.yaml'), /sha256:ccc/);
    await olga.commit();
    await olga.init({ image: base.image.replace('aaa', 'ccc') });
    assert.equal(await olga.status(), '');
  });

  it('to settings start anew the programs that read them, and no others', async (t) => {
    const olga = await operator(t);
    await olga.init();
    await olga.commit();
    await olga.edit('platform/forges.yaml', /$/, '  TOWLINE_SOURCE_HOSTS: git.example.org\n');
    await olga.commit();
    assert.match(
      await olga.init(),
      /^ {2}changed {2}platform\/builder\.yaml\n {2}kept {5}.*forges\.yaml\n1 of /,
    );
    await olga.commit();
    assert.match(await olga.init(), /\n0 of /);
    await olga.edit('platform/settings.yaml', /$/, '    policy:\n      dockerfile: false\n');
    await olga.commit();
    const printed = await olga.init();
    for (const name of ['auth', 'builder', 'manifest-writer', 'router', 'ui']) {
      assert.match(printed, new RegExp(`^ {2}changed {2}platform/${name}\\.yaml$`, 'm'));
    }
    assert.match(printed, /\n5 of /);
  });

  it("to the tenants' template reach the tenants", async (t) => {
    const olga = await operator(t);
    await olga.init();
    await olga.commit();
    const template = 'flux/tenant-template/default.yaml';
    const own = `---\nkind: Own\nmetadata:\n  namespace: tenant-\${tenant}\n`;
    await olga.edit(template, /$/, own);
    await olga.commit();
    await olga.init({ tenants: ['alice', 'bob'], maxFunctions: 7 });
    assert.ok((await olga.text(template)).endsWith(own));
    for (const owner of ['alice', 'bob']) {
      const text = await olga.text(`flux/tenants/${owner}.yaml`);
      assert.match(text, new RegExp(`kind: Own\nmetadata:\n  namespace: tenant-${owner}\n`));
      assert.match(text, /count\/functions\.openfaas\.com: 7$/m);
    }
  });

  it('to the very lines that a new version changes are refused, and nothing is written', async (t) => {
    const olga = await operator(t);
    await olga.init();
    await olga.commit();
    await olga.edit('platform/router.yaml', /sha256:a{64}/, `sha256:${'e'.repeat(64)}`);
    await olga.commit();
    const next = { image: base.image.replace('aaa', 'bbb'), domain: 'other.example.org' };
    await assert.rejects(
      olga.init(next),
      /changed the same lines; nothing was written\n {2}platform\/router\.yaml\n/,
    );
    assert.equal(await olga.status(), '');
    await olga.init(next, '--overwrite');
    assert.match(await olga.text('platform/router.yaml'), /sha256:bbb/);
  });

  it('are refused where both together are no YAML, as one key twice', async () => {
    const before = 'a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\n';
    const versions = { before, there: `x: 1\n${before}`, made: `${before}x: 2\n` };
    const path = process.env['PATH'] ?? '';
    assert.deepEqual(await settleFile('platform/x.yaml', versions, path), { outcome: 'conflict' });
    const merged = { outcome: 'merged', text: `x: 1\n${before}x: 2\n` };
    assert.deepEqual(await settleFile('README.md', versions, path), merged);
  });
});

describe('what init-gitops made and makes no more', () => {
  it('is removed with the engine, whose tenants are set up for the new one', async (t) => {
    const olga = await operator(t);
    const environments = [{ name: 'default' }, { name: 'staging' }];
    await olga.init({ environments });
    await olga.write('flux/tenants/carol.staging.yaml', 'by: the manifest-writer\n');
    await olga.write('flux/system/gotk-components.yaml', 'kind: Mine\n');
    await olga.commit();
    const printed = await olga.init({ environments, engine: 'argocd' });
    assert.match(printed, /^ {2}removed {2}flux\/sync\/publisher-role\.yaml$/m);
    assert.match(printed, /^ {2}removed {2}flux\/tenants\/carol\.staging\.yaml$/m);
    const left = (await olga.files()).filter((path) => path.startsWith('flux/'));
    assert.deepEqual(left, ['flux/system/gotk-components.yaml']);
    assert.ok(olga.has('argocd/tenants/carol.staging.yaml') && olga.has('argocd/tenants/alice.yaml'));
    const fresh = await operator(t);
    await fresh.init({ environments, engine: 'argocd', tenants: ['alice'] });
    const extra = (await olga.files()).filter((path) => !fresh.has(path));
    assert.deepEqual(extra, ['argocd/tenants/carol.staging.yaml', 'flux/system/gotk-components.yaml']);
  });

  it('is removed with whatever asked for it, and what others wrote stays', async (t) => {
    const olga = await operator(t);
    const all = { environments: [{ name: 'default' }, { name: 'staging' }] };
    await olga.init(all);
    await olga.write('environments/staging/tenants/alice/hello.yaml', 'kind: Function\n');
    await olga.edit('flux/releases/openfaas.yaml', /$/, '# of an operator\n');
    await olga.commit();
    const less = { openfaas: false, delivery: 'generator', image: undefined };
    assert.match(await olga.init(less), /, \d+ removed, /);
    const fresh = await operator(t);
    await fresh.init(less);
    const hello = 'environments/staging/tenants/alice/hello.yaml';
    assert.deepEqual(
      (await olga.files()).filter((path) => path !== hello),
      await fresh.files(),
    );
    assert.ok(olga.has(hello));
    await olga.commit();
    assert.match(await olga.init(less), /^0 of \d+ files written to [^,]*: look/);
  });

  it('is of one cluster alone, where several read the repository', async (t) => {
    const olga = await operator(t);
    await olga.init();
    await olga.commit();
    const production = { cluster: 'production', environments: [{ name: 'production' }] };
    assert.doesNotMatch(await olga.init(production), /removed/);
    await olga.commit();
    const printed = await olga.init({ ...production, openfaas: false });
    assert.match(printed, /removed {2}clusters\/production\/flux\/releases\/openfaas\.yaml/);
    assert.ok(olga.has('flux/releases/openfaas.yaml'));
  });
});
