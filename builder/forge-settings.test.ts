import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from '../runtime/config.ts';
import { forgeSettings } from './forge-settings.ts';

describe('the addresses of forges', () => {
  for (const name of [
    'TOWLINE_GITHUB_URL',
    'TOWLINE_GITHUB_API',
    'TOWLINE_GITLAB_URL',
    'TOWLINE_GITEA_URL',
  ]) {
    it(`are https, since tokens are sent there (${name})`, () => {
      const read = (url: string) => () => readConfig(forgeSettings, { [name]: url });
      for (const url of ['http://git.example.org', 'http://127.example.org', 'ftp://git.example.org', 'x']) {
        assert.throws(read(url), new RegExp(name));
      }
      for (const url of [
        'https://git.example.org',
        'http://127.0.0.1:8080',
        'http://localhost:1',
        'http://[::1]:1',
      ])
        assert.doesNotThrow(read(url));
    });
  }
});
