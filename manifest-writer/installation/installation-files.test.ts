import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { whyNotOwner } from '../../core/names.ts';
import { renderSetUp, setUpOfPath } from '../provisioning/set-up.ts';
import { fillTemplate } from './fill-template.ts';
import { readInstallation } from './installation-config.ts';
import { installationFiles } from './installation-files.ts';

const templateDir = join(import.meta.dirname, '../../gitops-repo-template');
const base = {
  repository: 'https://git.example.org/acme/functions.git',
  ...{ domain: 'fn.example.org', registry: 'registry.example.org' },
};
/** Of an ArtifactGenerator. */
interface Artifact {
  name: string;
  copy: { from: string }[];
}
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

describe("the registry's host", () => {
  const withRegistry = (registry: string) => () =>
    readInstallation(JSON.stringify({ ...base, registry, domain: 'fn.example.org' }));
  it('is one that no owner can have', () => {
    for (const taken of ['images.fn.example.org', 'r2.fn.example.org', 'fn.example.org']) {
      assert.throws(withRegistry(taken), /registry: (an owner could be called|the dashboard)/, taken);
    }
    for (const free of ['registry.fn.example.org', 'a.b.fn.example.org', 'registry.example.org']) {
      assert.equal(withRegistry(free)().registry, free);
    }
  });
});

describe('the files of an installation', () => {
  it('are those that its choices ask for', async () => {
    const generator = await filesOf({ delivery: 'generator', tenants: ['alice'] });
    const perTenant = 'flux/sync/tenants-default.yaml';
    assert.ok(generator.has(perTenant) && !generator.has('flux/sync/publisher-role.yaml'));
    const published = await filesOf({ openfaas: false });
    assert.ok(!published.has(perTenant) && published.has('flux/sync/publisher-role.yaml'));
    const whole = await filesOf({ delivery: 'repository' });
    assert.ok(published.has('flux/sync/artifacts.yaml') && !whole.has('flux/sync/artifacts.yaml'));
    assert.ok(!published.has('flux/releases/openfaas.yaml'));
    const onePass = [published, generator, whole].map((files) => [
      files.has('flux/sync/set-ups.yaml'),
      files.has('flux/sync/set-up-artifacts.yaml'),
    ]);
    assert.deepEqual(onePass, [
      [false, false],
      [true, true],
      [true, false],
    ]);
    const argo = await filesOf({ engine: 'argocd', tenants: ['alice'] });
    assert.ok(argo.has('argocd/tenants/alice.yaml'));
    assert.equal([...argo.keys()].filter((path) => path.startsWith('flux/')).length, 0);
  });

  it("leave nothing to be filled in but a new tenant's name", async () => {
    for (const engine of ['flux', 'argocd']) {
      for (const [path, text] of await filesOf({ engine, openfaas: false, sealedSecrets: false })) {
        const open = new Set(text.match(/\$\{[^}]*\}?/g));
        assert.deepEqual([...open], path.includes('/tenant-template/') ? ['${tenant}'] : [], path);
      }
    }
  });

  it('keep every applied path alive without a manifest', async () => {
    const files = await filesOf({ delivery: 'repository', openfaas: false, sealedSecrets: false });
    const texts = ['kustomizations', 'set-ups'].map((name) => files.get(`flux/sync/${name}.yaml`) ?? '');
    const applied = texts
      .flatMap((text) => [...parseAllDocuments(text)])
      .map((one) => one.toJS().spec.path.slice(2) as string);
    assert.equal(applied.length, 5);
    for (const path of applied) {
      assert.ok(
        [...files.keys()].some((file) => file.startsWith(`${path}/`)),
        path,
      );
    }
  });

  it('give a tenant what its template gives any tenant, in each environment', async () => {
    const environments = [{ name: 'default' }, { name: 'staging' }];
    for (const engine of ['flux', 'argocd']) {
      const files = await filesOf({ engine, environments, tenants: ['alice', 'no'] });
      for (const [name, owner] of [
        ['alice', 'alice'],
        ['no', 'no'],
        ['alice.staging', 'alice'],
      ] as const) {
        const environment = name.includes('.') ? 'staging' : 'default';
        const template = files.get(`${engine}/tenant-template/${environment}.yaml`) ?? '';
        assert.equal(files.get(`${engine}/tenants/${name}.yaml`), renderSetUp(template, owner, 'it'));
      }
    }
  });

  it("bound what a tenant takes where it has a namespace of its own, and not all tenants' together", async () => {
    const settings = { tenants: ['alice'], share: { pods: 7, memory: '9Gi' } };
    const quotaIn = (text: string | undefined) =>
      parseAllDocuments(text ?? '')
        .map((one) => one.toJS())
        .find(({ kind }) => kind === 'ResourceQuota').spec.hard;
    const own = quotaIn((await filesOf(settings)).get('flux/tenants/alice.yaml'));
    assert.deepEqual([own.pods, own['requests.cpu'], own['limits.memory']], [7, 50, '9Gi']);
    assert.equal(own['count/functions.openfaas.com'], 100);
    const argo = await filesOf({ ...settings, engine: 'argocd' });
    assert.deepEqual(quotaIn(argo.get('argocd/sync/tenants-default.yaml')), {
      ...{ 'services.loadbalancers': 0, 'services.nodeports': 0, persistentvolumeclaims: 0 },
    });
  });

  it('make the files of tenants anew that others set up', async () => {
    const config = readInstallation(JSON.stringify({ ...base, tenants: ['alice'] }));
    const known = [
      { owner: 'bob', environment: 'default' },
      { owner: 'bob', environment: 'gone' },
    ];
    const files = await installationFiles(templateDir, config, known);
    assert.ok(files.has('flux/tenants/alice.yaml') && files.has('flux/tenants/bob.yaml'));
    assert.ok(!files.has('flux/tenants/bob.gone.yaml'));
  });

  it("keep another cluster's apart, in a folder of its own", async () => {
    const cluster = { cluster: 'production', environments: [{ name: 'production' }], tenants: ['alice'] };
    const files = await filesOf(cluster);
    assert.ok(files.has('clusters/production/flux/tenants/alice.production.yaml'));
    const own = [...files.keys()].filter((path) => !path.startsWith('clusters/production/'));
    assert.deepEqual(own.sort(), ['README.md', 'tenants/.gitkeep']);
    const followed = files.get('clusters/production/flux/sync/kustomizations.yaml') ?? '';
    assert.match(followed, /path: \.\/clusters\/production\/flux\/sync$/m);
  });

  it("have each tenant's set-up read by something, in whichever cluster", async () => {
    for (const delivery of ['published', 'generator', 'repository']) {
      for (const cluster of ['', 'production']) {
        const environments = [{ name: cluster || 'default' }];
        const files = await filesOf({ delivery, cluster, environments, tenants: ['alice'] });
        const setUp = [...files.keys()].find((path) => /flux\/tenants\/alice.*\.yaml$/.test(path)) ?? '';
        const isHandedOver = files.has('flux/sync/publisher.yaml') && setUpOfPath(setUp) !== undefined;
        const readers = isHandedOver ? ['the manifest-writer'] : [];
        const objects = [...files]
          .filter(([path]) => /(^|\/)flux\/sync\/[^/]+\.yaml$/.test(path))
          .flatMap(([, text]) => parseAllDocuments(text).map((one) => one.toJS()));
        const copied = objects.flatMap(({ spec }) => (spec?.artifacts ?? []) as Artifact[]);
        for (const { kind, metadata, spec } of objects) {
          if (kind !== 'Kustomization') continue;
          const from = copied.find(({ name }) => name === spec.sourceRef.name)?.copy[0]?.from;
          const folder =
            spec.sourceRef.kind === 'GitRepository' ? `${spec.path.slice(2)}/` : from?.slice(6, -2);
          if (folder !== undefined && setUp.startsWith(folder)) readers.push(metadata.name);
        }
        assert.equal(readers.length, 1, `${delivery} ${cluster} ${setUp}: ${readers}`);
      }
    }
  });

  it('give the right to have set-ups applied to who hands them over, after the policy', async () => {
    const files = await filesOf({});
    const objectsIn = (path: string) => parseAllDocuments(files.get(path) ?? '').map((one) => one.toJS());
    const all = ['kustomizations', 'publisher'].flatMap((name) => objectsIn(`flux/sync/${name}.yaml`));
    const chain = ['towline-system', 'towline-publisher-role', 'towline-publisher'].map(
      (name) => all.find(({ metadata }) => metadata.name === name).spec,
    );
    // Of one artifact: only then Flux waits for the same revision.
    for (const { sourceRef } of chain) assert.deepEqual(sourceRef, chain[0].sourceRef);
    assert.deepEqual(
      chain.slice(1).map(({ dependsOn }) => dependsOn),
      [[{ name: 'towline-system' }], [{ name: 'towline-publisher-role' }]],
    );
    for (const { path } of chain.slice(1)) {
      assert.ok(
        [...files.keys()].some((file) => file.startsWith(`flux/system/${path.slice(2)}/`)),
        path,
      );
    }
    assert.doesNotMatch(files.get('flux/system/kustomization.yaml') ?? '', /publisher/);
    for (const settings of [
      ...[{ delivery: 'generator' }, { delivery: 'repository' }],
      { cluster: 'production', environments: [{ name: 'production' }] },
    ]) {
      const paths = [...(await filesOf(settings)).keys()];
      assert.deepEqual(
        paths.filter((path) => /publisher(\.yaml|\/)/.test(path)),
        [],
      );
    }
  });

  it('are refused for environments whose namespaces could be taken for others', () => {
    for (const [environments, problem] of [
      [[{ name: 'tenant' }], /the word "tenant"/],
      [[{ name: 'a-very-long-environment' }], /longer than the 16 characters/],
      [[{ name: 'x' }, { name: 'x' }], /there twice/],
      [[], /environments/],
    ] as const) {
      assert.throws(() => readInstallation(JSON.stringify({ ...base, environments })), problem);
    }
  });

  it("give no tenant's namespace a secret that an owner's function can mount", async () => {
    for (const engine of ['flux', 'argocd']) {
      const files = [...(await filesOf({ engine, tenants: ['alice'] }))];
      const secrets = files.flatMap(([, text]) =>
        parseAllDocuments(text).flatMap((document) => {
          const { imagePullSecrets = [] } = (document.toJS() ?? {}) as {
            imagePullSecrets?: { name: string }[];
          };
          return imagePullSecrets.map(({ name }) => name);
        }),
      );
      assert.ok(secrets.length > 0);
      for (const name of secrets) {
        const owners = [...name.matchAll(/-/g)].map(({ index }) => name.slice(0, index));
        assert.deepEqual(
          owners.filter((owner) => whyNotOwner(owner) === undefined),
          [],
          name,
        );
        assert.match(name, /^[^-]*[.]/, 'an owner may be reserved later than taken');
      }
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
