import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { Accounts, Authenticator, Workloads } from '../../core/auth.ts';
import { TowlineError } from '../../core/errors.ts';

/** An auth service under test, one trusted issuer of CI tokens, and browsers. */
export interface AuthServiceSubject extends AsyncDisposable {
  auth: Authenticator &
    Accounts & {
      workloads: Workloads;
      createLoginTicket(ownerId: string): Promise<{ ticket: string; expiresAt: number }>;
    };
  issuer: string;
  /** A token of a job of repository 74 on `main`. */
  jobToken(): Promise<string>;
  /** The `Cookie` header of a browser that logs in with a ticket. */
  logIn(ticket: string): Promise<string>;
}

const ann = { slug: 'ann', role: 'member' as const, name: 'Ann', email: 'ann@example.org' };

/** What every adapter of `Authenticator`, `Accounts` and `Workloads` keeps to. */
export function describeAuthService(name: string, makeSubject: () => Promise<AuthServiceSubject>): void {
  describe(`${name} as Authenticator, Accounts and Workloads`, () => {
    const open: AuthServiceSubject[] = [];
    afterEach(async () => {
      for (const subject of open.splice(0)) await subject[Symbol.asyncDispose]();
    });

    async function make() {
      const subject = await makeSubject();
      open.push(subject);
      return { ...subject, owner: await subject.auth.createOwner(ann) };
    }

    it('makes owners once each and finds them by name and by id', async () => {
      const { auth, owner } = await make();
      const bob = await auth.createOwner({ ...ann, id: '4711', slug: 'bob', role: 'operator' });

      assert.deepEqual(bob, { ...ann, id: '4711', slug: 'bob', role: 'operator' });
      assert.deepEqual(await auth.ownerBySlug('ann'), owner);
      assert.deepEqual(await auth.ownerById('4711'), bob);
      assert.deepEqual((await auth.owners()).map(({ slug }) => slug).sort(), ['ann', 'bob']);
      for (const none of ['nobody', '', '__proto__', '../ann']) {
        assert.deepEqual([await auth.ownerBySlug(none), await auth.ownerById(none)], [undefined, undefined]);
      }
      await assert.rejects(auth.createOwner(ann), isError('name_taken'));
      await assert.rejects(auth.createOwner({ ...ann, slug: 'Not A Name' }), isError('name_invalid'));
    });

    it('makes one owner of many who ask for the same name at once', async () => {
      const { auth } = await make();

      const asked = [...Array(8)].map(() => auth.createOwner({ ...ann, slug: 'carol' }));
      const made = (await Promise.allSettled(asked)).filter(({ status }) => status === 'fulfilled');
      assert.equal(made.length, 1);
    });

    it('knows an owner by an API token until it is revoked', async () => {
      const { auth, owner } = await make();
      const { token, record } = await auth.createToken({ ownerId: owner.id, name: 'ci', ttlMs: null });

      assert.deepEqual(await auth.fromToken(token), {
        ...{ ownerId: owner.id, owner: 'ann', name: 'Ann', email: 'ann@example.org' },
        ...{ role: 'member', via: 'token' },
      });
      assert.deepEqual(await auth.tokens(owner.id), [record]);
      assert.equal(await auth.revokeToken('somebody-else', record.id), false);
      assert.equal(await auth.revokeToken(owner.id, record.id), true);
      assert.equal(await auth.revokeToken(owner.id, record.id), false);
      for (const text of [token, undefined, '', `${token}x`, 'ä', 'x'.repeat(5_000)]) {
        assert.equal(await auth.fromToken(text), undefined, text?.slice(0, 20));
      }
      await assert.rejects(
        auth.createToken({ ownerId: 'nobody', name: 'x', ttlMs: null }),
        isError('not_found'),
      );
    });

    it('knows an owner by the cookie of a login with a ticket, which works once', async () => {
      const { auth, owner, logIn } = await make();
      const { ticket, expiresAt } = await auth.createLoginTicket(owner.id);
      const cookie = await logIn(ticket);

      assert.ok(expiresAt > Date.now());
      assert.equal((await auth.fromCookies(`other=1; ${cookie}`))?.ownerId, owner.id);
      assert.equal((await auth.fromCookies(cookie))?.via, 'session');
      assert.equal(await logIn(ticket), '');
      for (const header of [undefined, '', 'other=1', `${cookie.slice(0, -3)}xxx`, cookie.replace('=', '')]) {
        assert.equal(await auth.fromCookies(header), undefined, header);
      }
      await assert.rejects(auth.createLoginTicket('nobody'), isError('not_found'));
    });

    it('knows for whom a CI job works, as long as it is bound', async () => {
      const { auth, owner, issuer, jobToken } = await make();
      const { workloads } = auth;
      const conditions = {
        ...{ ownerId: owner.id, issuer, repositoryId: '74', repository: 'acme/shop' },
        ...{ ref: 'refs/heads/main', environment: null, workflow: null },
      };
      const binding = await workloads.addBinding(conditions);

      assert.deepEqual(binding, { ...conditions, id: binding.id, createdAt: binding.createdAt });
      assert.deepEqual(await workloads.issuers(), [{ issuer, scm: 'github' }]);
      assert.deepEqual(await workloads.bindings(owner.id), [binding]);
      assert.deepEqual(await workloads.bindings('nobody'), []);
      const workload = await workloads.fromWorkloadToken(await jobToken());
      assert.deepEqual(workload?.ownerIds, [owner.id]);
      assert.deepEqual(
        [workload?.scm, workload?.repository.name, workload?.run?.number],
        ['github', 'shop', 10],
      );
      await assert.rejects(workloads.addBinding(conditions), isError('conflict'));
      await assert.rejects(
        workloads.addBinding({ ...conditions, issuer: 'https://evil.example' }),
        isError('bad_request'),
      );
      assert.equal(await workloads.removeBinding('nobody', binding.id), false);
      assert.equal(await workloads.removeBinding(owner.id, binding.id), true);
      assert.deepEqual((await workloads.fromWorkloadToken(await jobToken()))?.ownerIds, []);
      assert.equal(await workloads.fromWorkloadToken('no.token.this'), undefined);
    });
  });
}

function isError(code: string) {
  return (error: unknown) => error instanceof TowlineError && error.code === code;
}
