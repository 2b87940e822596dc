import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BuildSecrets, maxSecretBytes } from './build-secrets.ts';

export interface BuildSecretsSubject {
  secrets: BuildSecrets;
  /** As the operator does it. */
  put: (ownerId: string, name: string, value: string) => void;
  dispose: () => void;
}

/** What every keeper of build secrets must do. */
export function describeBuildSecrets(name: string, makeSubject: () => BuildSecretsSubject): void {
  function withSecrets(test: (subject: BuildSecretsSubject) => Promise<void>) {
    return async () => {
      const subject = makeSubject();
      try {
        await test(subject);
      } finally {
        subject.dispose();
      }
    };
  }

  describe(`BuildSecrets: ${name}`, () => {
    it(
      "gives an owner's own secrets, as they are at the moment",
      withSecrets(async ({ secrets, put }) => {
        put('o1', 'npm-token', 'first value');
        assert.equal(await secrets.value('o1', 'npm-token'), 'first value');
        put('o1', 'npm-token', 'line one\nline two ü');
        assert.equal(await secrets.value('o1', 'npm-token'), 'line one\nline two ü');
        assert.equal(await secrets.value('o1', 'other'), undefined);
        assert.equal(await secrets.value('o2', 'npm-token'), undefined);
      }),
    );

    it(
      'knows no names that lead elsewhere',
      withSecrets(async ({ secrets, put }) => {
        put('o1', 'token', 'of o1');
        for (const bad of [
          '../o1/token',
          '..',
          '.',
          '',
          '/etc/passwd',
          'o1/token',
          'token\u0000',
          '..data',
        ]) {
          assert.equal(await secrets.value('o2', bad), undefined, bad);
          assert.equal(await secrets.value(bad, 'token'), undefined, bad);
        }
      }),
    );

    it(
      'refuses what is too large to be searched for in a log',
      withSecrets(async ({ secrets, put }) => {
        put('o1', 'large', 'x'.repeat(maxSecretBytes));
        assert.equal((await secrets.value('o1', 'large'))?.length, maxSecretBytes);
        put('o1', 'large', 'x'.repeat(maxSecretBytes + 1));
        await assert.rejects(secrets.value('o1', 'large'), { code: 'policy_refused' });
      }),
    );
  });
}
