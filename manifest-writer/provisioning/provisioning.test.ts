import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { alice, committer, deployIntent, gitopsFixture, searchPath } from '../gitops-fixture.ts';
import { readInstallation } from '../installation/installation-config.ts';
import { installationFiles } from '../installation/installation-files.ts';
import { startWriterProcess } from '../writer-processes-fixture.ts';

const templateDir = join(import.meta.dirname, '../../gitops-repo-template');
const installation = {
  repository: 'https://git.example.org/acme/functions.git',
  ...{ domain: 'fn.example.org', registry: 'registry.example.org' },
  environments: [{ name: 'default' }, { name: 'staging' }],
};
const filesOf = (settings: object = {}) =>
  installationFiles(templateDir, readInstallation(JSON.stringify({ ...installation, ...settings })));

const closeTenant = (...args: string[]) =>
  promisify(execFile)(process.execPath, [join(import.meta.dirname, 'close-tenant.ts'), ...args]);

/** A repository as `init-gitops` makes it, and an operator who works in it. */
async function installed(t: TestContext, settings: object = {}) {
  const fixture = await gitopsFixture(t);
  const operator = await fixture.person();

  async function commit(files: Iterable<[string, string | null]>, message = 'Change'): Promise<void> {
    await operator.git('pull', '--quiet', '--rebase', '--autostash');
    for (const [path, text] of files) {
      if (text === null) await operator.git('rm', '--quiet', path);
      else {
        await mkdir(dirname(join(operator.path, path)), { recursive: true });
        await writeFile(join(operator.path, path), text);
      }
    }
    await operator.git('add', '-A');
    await operator.git('commit', '--quiet', '-m', message);
    await operator.git('push', '--quiet', 'origin', 'HEAD');
  }

  await commit(await filesOf(settings));
  const show = (what: string) => fixture.git(fixture.remote, 'show', what);
  return {
    ...{ fixture, operator, commit, show },
    automatic: (more: object = {}) => fixture.writer({ provisioning: { tenants: 'automatic' }, ...more }),
    /** Newest first, of the writer's own. */
    subjects: async () => {
      const log = await fixture.git(
        fixture.remote,
        'log',
        '--format=%s',
        '--author=alice@example.org',
        'main',
      );
      return log.trim().split('\n');
    },
    filesOf: async (commit: string) => {
      const names = await fixture.git(fixture.remote, 'show', '--format=', '--name-only', commit);
      return names.trim().split('\n').sort();
    },
  };
}

describe('the first deploy of a tenant', () => {
  it('sets the tenant up in a commit of its own before, as init-gitops would', async (t) => {
    const scene = await installed(t);
    const writer = await scene.automatic();
    const outcome = await writer.deploy(deployIntent());
    assert.ok(outcome.type === 'pushed');
    assert.deepEqual(await scene.subjects(), [
      'deploy(alice/hello): #1 1111111 Fix greeting',
      'tenant(alice): set up',
    ]);
    assert.deepEqual(await scene.filesOf(outcome.commit), ['tenants/alice/hello.yaml']);
    assert.deepEqual(await scene.filesOf(`${outcome.commit}^`), [
      'flux/tenants/alice.yaml',
      'tenants/alice/tenant.yaml',
    ]);
    const made = (await filesOf({ tenants: ['alice'] })).get('flux/tenants/alice.yaml');
    assert.equal(await scene.show('main:flux/tenants/alice.yaml'), made);
    const trailers = await scene.fixture.git(
      scene.fixture.remote,
      'log',
      '-1',
      '--format=%(trailers:only)',
      'main^',
    );
    assert.match(trailers, /^Towline-Kind: tenant\nTowline-Tenant: alice\n/);
  });

  it('sets nothing up twice, whatever comes at once', async (t) => {
    const scene = await installed(t);
    const writer = await scene.automatic();
    const names = ['one', 'two', 'three'];
    await Promise.all(names.map((functionName) => writer.deploy(deployIntent({ functionName }))));
    await writer.deploy(deployIntent({ functionName: 'four' }));
    const subjects = await scene.subjects();
    assert.equal(subjects.filter((one) => one === 'tenant(alice): set up').length, 1);
    assert.equal(subjects.length, 5);
  });

  it('is each environment’s own, by a promotion too', async (t) => {
    const scene = await installed(t);
    const writer = await scene.automatic({ environments: [{ name: 'staging', branches: ['staging'] }] });
    await writer.deploy(deployIntent());
    const person = { owner: 'alice', ownerId: 'id-of-alice', reason: 'it is good', actor: alice };
    const to = { functionName: 'hello', from: 'default', to: 'staging' };
    const outcome = await writer.promote({ ...person, ...to });
    assert.equal(outcome.type, 'pushed');
    assert.equal((await scene.subjects())[1], 'tenant(alice in staging): set up');
    const made = (await filesOf({ tenants: ['alice'] })).get('flux/tenants/alice.staging.yaml');
    assert.equal(await scene.show('main:flux/tenants/alice.staging.yaml'), made);
    const placed = await writer.deploy({ ...deployIntent({ owner: 'bob' }), environment: 'staging' });
    assert.equal(placed.type, 'pushed');
    await assert.rejects(scene.show('main:flux/tenants/bob.yaml'));
  });

  it('keeps what an operator changed in the template, and a file that they wrote themselves', async (t) => {
    const scene = await installed(t);
    const path = 'flux/tenant-template/default.yaml';
    const text = (await scene.show(`main:${path}`)).replace(
      'count/deployments.apps: 100',
      'count/deployments.apps: 7',
    );
    await scene.commit([
      [path, text],
      ['flux/tenants/bob.yaml', 'kind: Own\n'],
    ]);
    const writer = await scene.automatic();
    for (const owner of ['alice', 'bob']) await writer.deploy(deployIntent({ owner }));
    assert.match(await scene.show('main:flux/tenants/alice.yaml'), /count\/deployments\.apps: 7\n/);
    assert.equal(await scene.show('main:flux/tenants/bob.yaml'), 'kind: Own\n');
  });

  it('is of Argo CD where the repository is', async (t) => {
    const scene = await installed(t, { engine: 'argocd' });
    await (await scene.automatic()).deploy(deployIntent());
    const made = (await filesOf({ engine: 'argocd', tenants: ['alice'] })).get('argocd/tenants/alice.yaml');
    assert.equal(await scene.show('main:argocd/tenants/alice.yaml'), made);
  });

  it('is in the folder of the cluster that the environment is for', async (t) => {
    const scene = await installed(t);
    const other = { cluster: 'live', environments: [{ name: 'production' }] };
    await scene.commit(await filesOf(other));
    const environments = [{ name: 'production', cluster: 'live', branches: ['live'] }];
    const writer = await scene.automatic({ environments });
    const outcome = await writer.deploy({ ...deployIntent(), environment: 'production' });
    assert.equal(outcome.type, 'pushed');
    const path = 'clusters/live/flux/tenants/alice.production.yaml';
    const made = (await filesOf({ ...other, tenants: ['alice'] })).get(path);
    assert.equal(await scene.show(`main:${path}`), made);
    await assert.rejects(scene.show('main:flux/tenants/alice.yaml'));
  });

  it('survives an undo: the tenant stays as it is set up', async (t) => {
    const scene = await installed(t);
    const outcome = await (await scene.automatic()).deploy(deployIntent());
    assert.ok(outcome.type === 'pushed');
    await scene.operator.git('pull', '--quiet');
    await scene.operator.git('revert', '--no-edit', outcome.commit);
    await scene.operator.git('push', '--quiet', 'origin', 'HEAD');
    assert.match(await scene.show('main:tenants/alice/tenant.yaml'), /ownerId: id-of-alice/);
    assert.match(await scene.show('main:flux/tenants/alice.yaml'), /tenant-alice/);
  });

  it('makes a tenant once where two writers and an operator do the same', async (t) => {
    const scene = await installed(t);
    const writers = await Promise.all(
      ['a', 'b'].map((name) =>
        scene.automatic({ clonePath: join(scene.fixture.folder, `writer-${name}.git`) }),
      ),
    );
    const owners = ['alice', 'bob', 'carol', 'dave'];
    const byHand = (await filesOf({ tenants: ['carol'] })).get('flux/tenants/carol.yaml') ?? '';
    await Promise.all([
      ...writers.flatMap((writer, index) =>
        owners.map((owner) => writer.deploy(deployIntent({ owner, functionName: `f${index}` }))),
      ),
      scene.commit([['flux/tenants/carol.yaml', byHand]]).catch(() => {}),
    ]);
    const log = await scene.fixture.git(
      scene.fixture.remote,
      ...['log', '--format=', '--name-only', '--diff-filter=AM', 'main', '--', 'flux/tenants/'],
    );
    const written = log.split('\n').filter((line) => line.endsWith('.yaml'));
    assert.deepEqual(
      written.sort(),
      owners.map((owner) => `flux/tenants/${owner}.yaml`),
    );
  });
});

describe('a writer that is killed while it sets tenants up', () => {
  it('has set up each once when it is there again', async (t) => {
    const scene = await installed(t);
    const config = {
      remoteUrl: scene.fixture.remote,
      clonePath: join(scene.fixture.folder, 'killed.git'),
      ...{ branch: 'main', committer, namespace: 'openfaas-fn', path: searchPath },
      provisioning: { tenants: 'automatic' as const },
    };
    const owners = Array.from({ length: 12 }, (_, index) => `owner-${index}`);
    const done = new Set<string>();
    for (let life = 0; done.size < owners.length; life += 1) {
      const finished = Promise.withResolvers<void>();
      const writer = await startWriterProcess(t, config, {
        onAccepted: () => {},
        onOutcome(key, { type }) {
          if (type === 'pushed' || type === 'unchanged') done.add(key);
          // The first lives end with their first outcome: the next pushes are on their way.
          if (life < 3 || done.size === owners.length) finished.resolve();
        },
      });
      for (const owner of owners.slice(0, 4 * (life + 1))) {
        if (done.has(owner)) continue;
        const intent = deployIntent({ owner, buildId: `build-of-${owner}` });
        writer.ask(owner, { kind: 'deploy', intent });
      }
      await finished.promise;
      await writer.kill();
    }
    const log = await scene.fixture.git(scene.fixture.remote, 'log', '--reverse', '--format=%s', 'main');
    const count = (words: RegExp) => log.split('\n').filter((line) => words.test(line)).length;
    for (const owner of owners) {
      assert.equal(count(new RegExp(`^tenant\\(${owner}\\): set up$`)), 1, owner);
      assert.equal(count(new RegExp(`^deploy\\(${owner}/hello\\)`)), 1, owner);
    }
  });
});

describe('a tenant that cannot be set up', () => {
  const refusal = async (writer: {
    deploy: (intent: ReturnType<typeof deployIntent>) => Promise<unknown>;
  }) => {
    const outcome = (await writer.deploy(deployIntent())) as { type: string; code: string; message: string };
    assert.equal(outcome.type, 'refused');
    return outcome;
  };

  it('is refused with what an operator has to do, where only operators do it', async (t) => {
    const scene = await installed(t);
    const writer = await scene.fixture.writer({ provisioning: { tenants: 'manual' } });
    const { code, message } = await refusal(writer);
    assert.equal(code, 'tenant_missing');
    assert.match(message, /an operator adds "alice" to the installation's file/);
    await scene.commit(await filesOf({ tenants: ['alice'] }));
    assert.equal((await writer.deploy(deployIntent())).type, 'pushed');
  });

  it('is refused where the repository has no template, or a broken one', async (t) => {
    const scene = await installed(t);
    const path = 'flux/tenant-template/default.yaml';
    await scene.commit([[path, 'a: ${who}\n']]);
    const writer = await scene.automatic();
    assert.match((await refusal(writer)).message, /tenant-template\/default\.yaml is broken/);
    await scene.commit([[path, null]]);
    const { code, message } = await refusal(writer);
    assert.equal(code, 'tenant_missing');
    assert.match(message, /there is no flux\/tenant-template\/default\.yaml .* "npm run init-gitops"/);
  });

  it('is refused in the words of a repository that protects the path, and harms no other deploy', async (t) => {
    const scene = await installed(t, { tenants: ['bob'] });
    const hook = `#!/bin/sh\nwhile read old new ref; do
      git diff --name-only $old $new | grep -q ^flux/ && { echo "flux/ is the operators'" >&2; exit 1; }
    done; exit 0\n`;
    await writeFile(join(scene.fixture.remote, 'hooks/pre-receive'), hook, { mode: 0o755 });
    const writer = await scene.automatic();
    const [mine, theirs] = await Promise.all([
      writer.deploy(deployIntent()),
      writer.deploy(deployIntent({ owner: 'bob' })),
    ]);
    assert.equal(theirs.type, 'pushed');
    assert.ok(mine.type === 'refused');
    assert.match(mine.message, /flux\/ is the operators'.*the tenant's set-up: flux\/tenants\/alice\.yaml/);
  });

  it('is refused beyond the number of tenants', async (t) => {
    const scene = await installed(t, { tenants: ['bob', 'carol'] });
    const writer = await scene.fixture.writer({ provisioning: { tenants: 'automatic', maxTenants: 2 } });
    assert.match((await refusal(writer)).message, /there are 2 already/);
    assert.equal((await writer.deploy(deployIntent({ owner: 'bob' }))).type, 'pushed');
  });

  it('is refused to an account that has only the name of the owner', async (t) => {
    const scene = await installed(t);
    const writer = await scene.automatic();
    await writer.deploy(deployIntent());
    await scene.commit([['flux/tenants/alice.yaml', null]]);
    const outcome = await writer.deploy(deployIntent({ ownerId: 'somebody-else', functionName: 'other' }));
    assert.ok(outcome.type === 'refused' && outcome.code === 'name_taken');
    await assert.rejects(scene.show('main:flux/tenants/alice.yaml'));
  });

  it('is refused at the start, in an environment whose namespaces could be taken for others', async (t) => {
    const scene = await installed(t);
    for (const environment of [{ name: 'a-tenant' }, { name: 'b', cluster: '../up' }]) {
      await assert.rejects(
        scene.automatic({ environments: [environment] }),
        /the environment "(a-tenant|b)": /,
      );
    }
  });
});

describe('a tenant that an operator closed', () => {
  it('gets nothing any more, and goes on once it is opened', async (t) => {
    const scene = await installed(t);
    const writer = await scene.automatic();
    await writer.deploy(deployIntent());
    const sentinel = await scene.show('main:tenants/alice/tenant.yaml');
    await scene.operator.git('pull', '--quiet');
    const { stdout } = await closeTenant(scene.operator.path, 'alice', '--reason', 'left the company');
    assert.match(
      stdout,
      /closed {3}tenants\/alice\/tenant\.yaml\n {2}removed {2}flux\/tenants\/alice\.yaml\n/,
    );
    await scene.commit([]);
    const outcome = await writer.deploy(deployIntent({ source: '2' }));
    assert.ok(outcome.type === 'refused' && outcome.code === 'tenant_closed');
    assert.match(outcome.message, /closed by an operator: left the company/);
    await assert.rejects(scene.show('main:flux/tenants/alice.yaml'));
    const removed = await writer.remove({
      ...{ owner: 'alice', ownerId: 'id-of-alice', functionNames: ['hello'], scope: 'named' },
      ...{ repo: '', sourceCommit: null, reason: 'closed', actor: alice },
    });
    assert.equal(removed.type, 'pushed');
    await scene.commit([['tenants/alice/tenant.yaml', sentinel]]);
    assert.equal((await writer.deploy(deployIntent({ source: '3' }))).type, 'pushed');
    assert.match(await scene.show('main:flux/tenants/alice.yaml'), /tenant-alice/);
  });

  it('is not found where there is none, and is nobody outside of the repository', async (t) => {
    const scene = await installed(t);
    const { path } = scene.operator;
    await assert.rejects(closeTenant(path, 'nobody', '--reason', 'x'), /there is no tenant "nobody"/);
    await assert.rejects(closeTenant(path, '../flux', '--reason', 'x'), /an owner is 1 to 39/);
    await assert.rejects(closeTenant(path, 'alice'), /usage: npm run close-tenant/);
  });
});
