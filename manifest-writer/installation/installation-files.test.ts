import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { fillTemplate } from './fill-template.ts';
import { readInstallation } from './installation-config.ts';
import { installationFiles } from './installation-files.ts';

const templateDir = join(import.meta.dirname, '../../gitops-repo-template');
const base = {
  repository: 'https://git.example.org/acme/functions.git',
  ...{ domain: 'fn.example.org', registry: 'registry.example.org' },
};
const filesOf = (settings: object) =>
  installationFiles(templateDir, readInstallation(JSON.stringify({ ...base, ...settings })));

describe('a template', () => {
  it('takes a value as the value of one field, whatever it says', () => {
    const evil = 'x"\n---\nkind: Evil\n# ${other}';
    const text = fillTemplate('a: ${name}\nb: "is ${name}"\n', { name: evil, other: 'no' }, 'it');
    assert.equal(parseAllDocuments(text).length, 1);
    assert.deepEqual(parse(text), { a: evil, b: `is ${evil}` });
  });

  it('quotes what YAML 1.1 takes for something else', () => {
    for (const name of ['no', 'on', '1e3', '0x10', '12', 'null', '1_000']) {
      const text = fillTemplate('a: ${name}\n', { name }, 'it');
      assert.equal(parse(text, { version: '1.1' }).a, name, text);
      assert.equal(parse(text).a, name, text);
    }
  });

  it('becomes a list or a number where a name stands alone', () => {
    const text = fillTemplate('a: ${list}\nb: ${count}\n', { list: ['x', 'no'], count: 3 }, 'it');
    assert.deepEqual(parse(text), { a: ['x', 'no'], b: 3 });
  });

  it('is refused if it names what there is not, or puts a list into a text', () => {
    assert.throws(
      () => fillTemplate('a: ${who}\n', {}, 'there.yaml'),
      /there\.yaml: there is no value "who"/,
    );
    assert.throws(() => fillTemplate('a: x ${l}\n', { l: ['a'] }, 'it'), /whole value/);
    assert.throws(() => fillTemplate('${l}: x\n', { l: 'a' }, 'it'), /cannot become a key/);
  });
});

describe("an installation's file", () => {
  it('is told all that is wrong with it', () => {
    const text = JSON.stringify({
      ...{
        repository: 'https://user:secret@git.example.org/x.git',
        registry: 'r.example.org',
        domain: 'x y',
      },
      ...{ tenants: ['admin', '../up'], privateNetworks: [], extra: 1 },
    });
    assert.throws(
      () => readInstallation(text),
      (error: Error) => {
        for (const place of ['repository', 'domain', 'tenants.0', 'tenants.1', 'privateNetworks', 'extra']) {
          assert.match(error.message, new RegExp(place.replace('.', '\\.')));
        }
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  });
});

describe('the files of an installation', () => {
  it('are those that its choices ask for', async () => {
    const generator = await filesOf({ delivery: 'generator', tenants: ['alice'] });
    assert.ok(generator.has('flux/sync/artifacts.yaml') && !generator.has('flux/sync/publisher-role.yaml'));
    const published = await filesOf({ openfaas: false });
    assert.ok(!published.has('flux/sync/artifacts.yaml') && published.has('flux/sync/publisher-role.yaml'));
    assert.ok(!published.has('flux/releases/openfaas.yaml'));
    const argo = await filesOf({ engine: 'argocd', tenants: ['alice'] });
    assert.ok(argo.has('argocd/tenants/alice.yaml'));
    assert.equal([...argo.keys()].filter((path) => path.startsWith('flux/')).length, 0);
  });

  it('leave nothing to be filled in, and keep every applied path alive without a manifest', async () => {
    const files = await filesOf({ openfaas: false, sealedSecrets: false });
    for (const [path, text] of files) assert.doesNotMatch(text, /\$\{/, path);
    const applied = parseAllDocuments(files.get('flux/sync/kustomizations.yaml') ?? '').map(
      (one) => one.toJS().spec.path.slice(2) as string,
    );
    assert.equal(applied.length, 5);
    for (const path of applied) {
      assert.ok(
        [...files.keys()].some((file) => file.startsWith(`${path}/`)),
        path,
      );
    }
  });

  it("never give a tenant a right by a name that isn't there", async () => {
    for (const settings of [
      { engine: 'argocd' },
      { engine: 'argocd', tenants: ['alice'] },
      { tenants: ['alice'] },
    ]) {
      for (const text of (await filesOf(settings)).values())
        assert.doesNotMatch(text, /resourceNames: *\[\]/);
    }
  });
});

describe('npm run init-gitops', () => {
  it('writes them once, and keeps what else is in the folder', async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'towline-init-'));
    t.after(() => rm(dir, { recursive: true, force: true }));
    const config = join(dir, 'installation.yaml');
    await writeFile(config, JSON.stringify({ ...base, tenants: ['alice'] }));
    const main = join(import.meta.dirname, 'main.ts');
    const init = () => promisify(execFile)(process.execPath, [main, join(dir, 'repo'), '--config', config]);
    assert.match((await init()).stdout, /^(\d+) of \1 files written/);
    const mine = join(dir, 'repo/tenants/alice.txt');
    await writeFile(mine, 'mine');
    assert.match((await init()).stdout, /^0 of /);
    assert.equal(await readFile(mine, 'utf8'), 'mine');
    await writeFile(config, JSON.stringify({ ...base, tenants: ['alice', 'bob'] }));
    assert.match((await init()).stdout, /^1 of /);
    await writeFile(config, 'domain: 7\n');
    await assert.rejects(init(), /init-gitops: the installation's file has \d problem\(s\)\n {2}repository/);
  });
});
