import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { TemplateSource } from './template-source.ts';

export interface TemplateSourceSubject extends AsyncDisposable {
  source: TemplateSource;
  /** One that shares what the first has fetched, as after a restart. */
  restarted(): Promise<TemplateSource>;
  urlOf(repository: string): string;
  /** Gives the repository these files, and the commit's id. */
  commit(repository: string, files: Record<string, string>): Promise<string>;
  /** Names the newest commit. */
  tag(repository: string, name: string): Promise<void>;
  /** Nothing answers any more. */
  goAway(): Promise<void>;
}

const template = (text: string) => ({ 'template/go/template.yml': text });

export function describeTemplateSource(
  name: string,
  makeSubject: () => Promise<TemplateSourceSubject>,
): void {
  describe(`template source: ${name}`, () => {
    const { signal } = new AbortController();
    let subject: TemplateSourceSubject;
    beforeEach(async () => {
      subject = await makeSubject();
    });
    afterEach(() => subject[Symbol.asyncDispose]());

    async function textOf(source: TemplateSource, url: string, commit: string): Promise<string> {
      return readFile(join(await source.folder({ url }, commit, signal), 'go/template.yml'), 'utf8');
    }

    it('finds the commit of the head, a branch and a tag, and the files of each commit', async () => {
      const url = subject.urlOf('t');
      const one = await subject.commit('t', template('one'));
      await subject.tag('t', 'v1');
      const two = await subject.commit('t', template('two'));
      assert.equal(await subject.source.commitOf({ url }, signal), two);
      assert.equal(await subject.source.commitOf({ url, ref: 'main' }, signal), two);
      assert.equal(await subject.source.commitOf({ url, ref: 'v1' }, signal), one);
      assert.equal(await textOf(subject.source, url, one), 'one');
      assert.equal(await textOf(subject.source, url, two), 'two');
    });

    it('says what is not there, once and for all', async () => {
      const url = subject.urlOf('t');
      await subject.commit('t', template('one'));
      await assert.rejects(subject.source.commitOf({ url, ref: 'nope' }, signal), {
        code: 'source_unavailable',
        message: /no branch or tag "nope"/,
      });
      const ref = 'ab'.repeat(20);
      await assert.rejects(subject.source.folder({ url, ref }, ref, signal), { code: 'source_unavailable' });
    });

    it('refuses a repository without templates', async () => {
      const url = subject.urlOf('t');
      const commit = await subject.commit('t', { 'README.md': 'x' });
      await assert.rejects(subject.source.folder({ url }, commit, signal), {
        code: 'source_unavailable',
        message: /no folder "template"/,
      });
    });

    it('needs nobody for a commit that it has, and waits for everything else', async () => {
      const url = subject.urlOf('t');
      const commit = await subject.commit('t', template('one'));
      await subject.source.folder({ url }, commit, signal);
      await subject.goAway();
      assert.equal(await subject.source.commitOf({ url, ref: commit }, signal), commit);
      assert.equal(await textOf(subject.source, url, commit), 'one');
      assert.equal(await textOf(await subject.restarted(), url, commit), 'one');
      await assert.rejects(subject.source.commitOf({ url }, signal), { code: 'remote_unavailable' });
      const other = 'cd'.repeat(20);
      await assert.rejects(subject.source.folder({ url }, other, signal), { code: 'remote_unavailable' });
    });

    it('stops when nobody waits any more', async () => {
      const url = subject.urlOf('t');
      const commit = await subject.commit('t', template('one'));
      const stop = new AbortController();
      const folder = subject.source.folder({ url }, commit, stop.signal);
      stop.abort(new Error('superseded'));
      await assert.rejects(folder, { message: 'superseded' });
      assert.equal(await textOf(subject.source, url, commit), 'one');
    });
  });
}
