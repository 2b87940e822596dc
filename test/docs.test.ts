import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { errorCodes } from '../core/errors.ts';
import { configurationPage } from '../docs/generate-configuration.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('the documentation', () => {
  it('lists exactly the error codes that exist', () => {
    const listed = [...read('docs/errors.md').matchAll(/^\| `([a-z_]+)` \|/gm)].map((match) => match[1]);

    assert.deepEqual(listed.sort(), [...errorCodes].sort());
  });

  it('has the configuration page that the settings generate', () => {
    assert.equal(read('docs/configuration.md'), configurationPage(), 'run: npm run docs:configuration');
  });

  it('names only settings that there are', () => {
    const names = (text: string) => [...text.matchAll(/TOWLINE_[A-Z_]*[A-Z]/g)].map(([name]) => name);
    const known = new Set(names(read('docs/configuration.md')));
    // Of a CI job's own file.
    known.add('TOWLINE_ID_TOKEN');
    const files = ['docs', 'gitops-repo-template'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(?:md|yaml)$/.test(name))
        .map((name) => `${folder}/${name}`),
    );
    const groups = /TOWLINE_[A-Z_]+_\*/g;
    const unknown = files.flatMap((file) =>
      names(read(file).replaceAll(groups, ''))
        .filter((name) => !known.has(name))
        .map((name) => `${file}: ${name}`),
    );

    assert.deepEqual(unknown, []);
  });

  it('names what runs in a cluster as what it is there', () => {
    const folder = join(root, 'gitops-repo-template/platform');
    const objects = readdirSync(folder)
      .flatMap((name) => [...parseAllDocuments(readFileSync(join(folder, name), 'utf8'))])
      .map((one) => one.toJS() as { kind: string; metadata: { name: string } })
      .map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`);
    const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
    const named = pages.flatMap((page) => [
      ...read(`docs/${page}`).matchAll(/(?<![\w/.])(deploy|deployment|statefulset|daemonset)\/([a-z-]+)/g),
    ]);

    assert.ok(named.length > 3);
    for (const [text, kind = '', name = ''] of named) {
      assert.ok(objects.includes(`${kind === 'deploy' ? 'deployment' : kind}/${name}`), text);
    }
  });

  it('links only to files that exist', () => {
    const pages = [
      'README.md',
      'ARCHITECTURE.md',
      'CONTRIBUTING.md',
      ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.md'))
        .map((name) => `docs/${name}`),
    ];
    const broken = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !existsSync(join(root, dirname(page), target)))
        .map((target) => `${page} -> ${target}`),
    );

    assert.deepEqual(broken, []);
  });
});
