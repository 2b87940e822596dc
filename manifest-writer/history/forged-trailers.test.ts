import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { committer, deployIntent, gitopsFixture, sha } from '../gitops-fixture.ts';

const hello = { owner: 'alice', functionName: 'hello' };
const file = 'tenants/alice/hello.yaml';

/** Somebody who can push, and commits as Towline with trailers of their own. */
async function forgery(t: TestContext) {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const first = deployIntent({ source: '1', buildId: 'first' });
  assert.equal((await writer.deploy(first)).type, 'pushed');
  const person = await gitops.person();
  async function forge(change: (text: string) => string, kind: string, ...trailers: string[]) {
    const path = join(person.path, file);
    await writeFile(path, change(await readFile(path, 'utf8')));
    const lines = [
      `Towline-Kind: ${kind}`,
      'Towline-Function: alice/hello',
      'Towline-Actor: ceo',
      ...trailers,
    ];
    await person.git('add', file);
    const tree = (await person.git('write-tree')).trim();
    const parent = (await person.git('rev-parse', 'HEAD')).trim();
    const towline = `${committer.name} <${committer.email}> 1800000000 +0000`;
    const message = `${kind}(alice/hello): #2 x\n\n${lines.join('\n')}\n`;
    const commit = join(gitops.folder, 'commit');
    await writeFile(
      commit,
      `tree ${tree}\nparent ${parent}\nauthor ${towline}\ncommitter ${towline}\n\n${message}`,
    );
    const id = (await person.git('hash-object', '-t', 'commit', '-w', commit)).trim();
    await person.git('push', '--quiet', 'origin', `${id}:main`);
    return id;
  }
  return { writer, first, forge };
}

test('a commit whose trailers are not what its file says is told as an edit: image and source are the file’s', async (t) => {
  const { writer, first, forge } = await forgery(t);
  const other = first.spec.image.replaceAll('1'.repeat(64), '9'.repeat(64));
  const id = await forge(
    (text) => text.replace(first.spec.image, other),
    'deploy',
    `Towline-Source-Commit: ${sha('1')}`,
    `Towline-Image: ${first.spec.image}`,
    'Towline-Build: future',
    'Towline-Reason: the board wants it',
  );
  const [forged, genuine] = await writer.history(hello);
  assert.equal(forged?.commit, id);
  const { kind, direct, image, sourceCommit, buildId, actor, reason } = forged ?? {};
  assert.deepEqual(
    { kind, direct, image, sourceCommit, buildId, actor, reason },
    {
      ...{ kind: 'edit', direct: true, image: other, sourceCommit: sha('1') },
      ...{ buildId: null, actor: null, reason: null },
    },
  );
  assert.deepEqual([genuine?.kind, genuine?.direct, genuine?.buildId], ['deploy', false, 'first']);
});

test('a build named by a forged commit is deployed all the same', async (t) => {
  const { writer, first, forge } = await forgery(t);
  const build = 'Towline-Build: future';
  await forge(
    (text) => text.replace('hello', 'pwned'),
    'deploy',
    build,
    'Towline-Image: registry.example.org/x',
  );
  const next = deployIntent({ source: '5', buildId: 'future' });
  const deployed = await writer.deploy(next);
  assert.equal(deployed.type, 'pushed');
  const again = await writer.deploy({ ...first, buildId: 'first' });
  assert.ok(
    'commit' in again && 'commit' in deployed && again.commit !== deployed.commit,
    'its own is found',
  );
  const [newest] = await writer.history(hello);
  assert.deepEqual([newest?.buildId, newest?.direct, newest?.image], ['future', false, next.spec.image]);
});

test('a hold that does more than hold is an edit', async (t) => {
  const { writer, first, forge } = await forgery(t);
  const image = first.spec.image.replaceAll('1'.repeat(64), '8'.repeat(64));
  await forge(
    (text) =>
      text
        .replace(first.spec.image, image)
        .replace('  annotations:\n', '  annotations:\n    towline.dev/hold: by=ceo\n'),
    'hold',
    `Towline-Source-Commit: ${sha('1')}`,
    `Towline-Image: ${image}`,
  );
  const [forged] = await writer.history(hello);
  assert.deepEqual([forged?.kind, forged?.direct, forged?.image, forged?.actor], ['edit', true, image, null]);
});
