import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { appManifest } from '../../builder/github-setup/app-manifest.ts';
import { startSetupServer } from '../../builder/github-setup/setup-server.ts';
import { createGitHubApp } from '../../builder/index.ts';
import { startGitHubDouble } from './github-double.ts';

const main = fileURLToPath(new URL('../../builder/github-setup/main.ts', import.meta.url));

interface Form {
  action: URL;
  manifest: ReturnType<typeof appManifest>;
}

const unescaped = (text: string) =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

/** What the button of the page would send. */
async function formOf(url: string): Promise<Form> {
  const html = await (await fetch(url)).text();
  const [, action = ''] = /<form method="post" action="([^"]*)">/.exec(html) ?? [];
  const [, manifest = ''] = /name="manifest" value="([^"]*)"/.exec(html) ?? [];
  return {
    action: new URL(unescaped(action)),
    manifest: JSON.parse(unescaped(manifest)) as Form['manifest'],
  };
}

/** Where GitHub sends the browser once the person agreed. */
function sentBack({ action, manifest }: Form, code: string): URL {
  const back = new URL(manifest.redirect_url);
  back.searchParams.set('code', code);
  back.searchParams.set('state', action.searchParams.get('state') ?? '');
  return back;
}

describe('setting up a GitHub App', () => {
  it('takes one click, and leaves the keys in files and in a Secret', async (context) => {
    await using github = await startGitHubDouble();
    const dir = mkdtempSync(join(tmpdir(), 'towline-setup-'));
    try {
      const out = join(dir, 'app');
      const forge = ['--github', github.origin, '--api', github.origin, '--out', out];
      const args = [main, '--origin', 'https://towline.example.org', '--organization', 'acme', ...forge];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      context.after(() => void child.kill('SIGKILL'));
      const exited = once(child, 'exit');
      let printed = '';
      for await (const line of createInterface({ input: child.stdout })) {
        printed += `${line}\n`;
        const url = /^ {2}(http:\S+)$/.exec(line)?.[1];
        if (url === undefined) continue;
        const form = await formOf(url);
        assert.equal(form.action.pathname, '/organizations/acme/settings/apps/new');
        assert.equal(form.manifest.hook_attributes.url, 'https://towline.example.org/webhooks/github');
        assert.equal(form.manifest.public, false, 'nobody else may install it');
        assert.equal('statuses' in form.manifest.default_permissions, false, 'checks need none');
        const answer = await fetch(sentBack(form, github.acceptManifest()));
        assert.equal(answer.status, 200);
        assert.match(await answer.text(), /apps\/towline-test\/installations\/new/);
      }
      assert.deepEqual((await exited)[0], 0);
      assert.ok(printed.includes(`\n  TOWLINE_IGNORED_PUSHERS: "*[bot],${github.app.slug}[bot]"\n`));
      assert.ok(!printed.includes(github.app.webhookSecret) && !printed.includes('PRIVATE KEY'));
      const names = ['github-app-id', 'github-app-key.pem', 'github-webhook-secret', 'secret.yaml'];
      assert.deepEqual(readdirSync(out).sort(), names);
      for (const name of names) assert.equal(statSync(join(out, name)).mode & 0o777, 0o600);
      const read = (name: string) => readFileSync(join(out, name), 'utf8');
      assert.equal(read('github-webhook-secret').trim(), github.app.webhookSecret);
      const secret = parse(read('secret.yaml')) as { metadata: object; data: Record<string, string> };
      assert.deepEqual(secret.metadata, { name: 'forges', namespace: 'towline' });
      const key = Buffer.from(secret.data['github-app-key.pem'] ?? '', 'base64').toString();
      assert.equal(key.trim(), github.app.privateKey.trim());
      github.install({ login: 'Acme' }, [{ name: 'shop' }]);
      const app = createGitHubApp({
        appId: read('github-app-id').trim(),
        privateKey: read('github-app-key.pem'),
        apiUrl: github.origin,
      });
      assert.ok(await app.installationOf('Acme/shop', AbortSignal.timeout(120_000)));
      // GitHub gives an App's keys once: a second run must not make one whose keys cannot be saved.
      const again = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      context.after(() => void again.kill('SIGKILL'));
      const [said, offered] = await Promise.all([text(again.stderr), text(again.stdout)]);
      assert.match(said, /github-app-id is there already/);
      assert.equal(offered, '');
      assert.equal(read('github-webhook-secret').trim(), github.app.webhookSecret);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('asks to write statuses only where they are shown in place of checks', () => {
    const common = { name: 'T', origin: 'https://t', redirectUrl: 'x', public: false };
    const namesOf = (statuses: boolean) =>
      Object.keys(appManifest({ ...common, statuses }).default_permissions).sort();
    assert.deepEqual(namesOf(false), ['checks', 'contents', 'deployments', 'metadata']);
    assert.deepEqual(namesOf(true), ['checks', 'contents', 'deployments', 'metadata', 'statuses']);
  });

  it('shows nothing and takes nothing without its state, by another name, or by a used code', async () => {
    await using github = await startGitHubDouble();
    const forge = { webUrl: github.origin, apiUrl: github.origin };
    await using setup = await startSetupServer({
      origin: 'https://t.example',
      name: '"><script>x</script>',
      public: true,
      ...forge,
    });
    const html = await (await fetch(setup.url)).text();
    assert.ok(!html.includes('<script'));
    const form = await formOf(setup.url);
    assert.equal(form.manifest.name, '"><script>x</script>');
    assert.equal(form.manifest.public, true);
    const code = github.acceptManifest();
    const back = sentBack(form, code);
    const stranger = new URL(back);
    stranger.searchParams.set('state', 'guess');
    assert.equal((await fetch(stranger)).status, 404);
    assert.equal((await fetch(new URL('/', setup.url))).status, 404);
    const rebound = new URL(back);
    rebound.hostname = 'localhost';
    await fetch(rebound).then(
      (answer) => assert.equal(answer.status, 404),
      () => {},
    );
    const wrong = new URL(back);
    wrong.searchParams.set('code', '../../app');
    assert.equal((await fetch(wrong)).status, 400);
    assert.equal(github.calls.length, 0);
    assert.equal((await fetch(back)).status, 200);
    assert.equal((await setup.made).id, String(github.app.id));
    assert.equal((await fetch(back)).status, 400);
  });
});
