import { access, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { describeError, TowlineError } from '../../core/errors.ts';
import { aborted, abortOnSignals } from '../../runtime/lifecycle.ts';
import { appFileNames, appFiles, appSecret, type NewApp } from './app-manifest.ts';
import { startSetupServer } from './setup-server.ts';

const usage =
  'npm run setup-github -- --origin https://towline.example.org [--name Towline] [--organization acme] [--public] [--statuses] [--out github-app] [--namespace towline] [--github https://github.com] [--api https://api.github.com] [--port 0]';

const options = {
  origin: { type: 'string' },
  name: { type: 'string', default: 'Towline' },
  organization: { type: 'string' },
  public: { type: 'boolean', default: false },
  statuses: { type: 'boolean', default: false },
  out: { type: 'string', default: 'github-app' },
  namespace: { type: 'string', default: 'towline' },
  github: { type: 'string', default: 'https://github.com' },
  api: { type: 'string', default: 'https://api.github.com' },
  port: { type: 'string', default: '0' },
} as const;

const secretFile = 'secret.yaml';
const base = (text: string) => text.replace(/\/+$/, '');

/** What is there already may be in use. Said before anything is made: GitHub gives an App's keys only once. */
async function refuseUsedFolder(dir: string): Promise<void> {
  for (const name of [...appFileNames, secretFile]) {
    const isThere = await access(join(dir, name)).then(
      () => true,
      () => false,
    );
    if (isThere) {
      throw new TowlineError('config_invalid', `${join(dir, name)} is there already`, {
        hint: "name another folder with --out, or move the old App's files away",
      });
    }
  }
}

/** Files of their own, for this person alone. */
async function save(dir: string, files: Record<string, string>): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(dir, name), text, { mode: 0o600, flag: 'wx' });
  }
}

/** For the ConfigMap `forges`. The App's own commits deploy nothing; other bots' neither. */
function settingsOf({ id, slug }: NewApp, statuses: boolean): string[] {
  const mounted = '/etc/towline/forges';
  return [
    `TOWLINE_GITHUB_APP_ID: "${id}"`,
    `TOWLINE_GITHUB_APP_KEY_FILE: ${mounted}/github-app-key.pem`,
    `TOWLINE_GITHUB_WEBHOOK_SECRET_FILE: ${mounted}/github-webhook-secret`,
    `TOWLINE_IGNORED_PUSHERS: "*[bot],${slug}[bot]"`,
    ...(statuses ? ['TOWLINE_FEEDBACK: statuses'] : []),
  ];
}

/** Makes a GitHub App by one click in a browser on this machine, and saves its keys. */
async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options });
  if (values.origin === undefined || !URL.canParse(values.origin)) {
    throw new TowlineError('config_invalid', `usage: ${usage}`);
  }
  const dir = resolve(values.out);
  await refuseUsedFolder(dir);
  const signal = abortOnSignals(process);
  await using server = await startSetupServer({
    ...{ origin: new URL(values.origin).origin, name: values.name, organization: values.organization },
    ...{ public: values.public, statuses: values.statuses },
    ...{ webUrl: base(values.github), apiUrl: base(values.api), port: Number(values.port) },
  });
  process.stdout.write(`Open this on this machine and press the button:\n  ${server.url}\n`);
  const app = await Promise.race([server.made, aborted(signal)]);
  if (!app) return;
  await save(dir, { ...appFiles(app), [secretFile]: appSecret(app, values.namespace) });
  process.stdout.write(
    [
      `The App ${app.slug} has the id ${app.id}; its key and its webhook's secret are in ${dir}.`,
      'In a cluster: kubectl apply --server-side --field-manager=github -f secret.yaml (never commit it), and these lines below',
      '"data:" in platform/forges.yaml:',
      ...settingsOf(app, values.statuses).map((line) => `  ${line}`),
      `Then install it on accounts: ${app.installUrl}\n`,
    ].join('\n'),
  );
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const text = error instanceof TowlineError ? describeError(error) : String(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}
