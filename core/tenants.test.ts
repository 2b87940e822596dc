import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { defaultEnvironment, whyNotEnvironment } from './environments.ts';
import { whyNotOwner } from './names.ts';
import { tenantNamespace, tenantObject, whyNotTenantEnvironment } from './tenants.ts';

const word = fc.constantFrom('a', 'b', 'tenant', 'staging', '-', 'default', 'x1');
const name = fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => words.join(''));
const owner = name.filter((one) => whyNotOwner(one) === undefined);
const environment = fc.oneof(
  fc.constant(defaultEnvironment),
  name.filter((one) => whyNotEnvironment(one) === undefined && whyNotTenantEnvironment(one) === undefined),
);

describe("a tenant's names", () => {
  it('are no other tenant’s, in no other environment', () => {
    const tenant = fc.tuple(owner, environment);
    fc.assert(
      fc.property(tenant, tenant, (one, other) => {
        fc.pre(one.join('/') !== other.join('/'));
        assert.notEqual(tenantNamespace(...one), tenantNamespace(...other));
        assert.notEqual(tenantObject(...one), tenantObject(...other));
      }),
      { numRuns: 2_000 },
    );
  });

  it('are as long as Kubernetes allows at most', () => {
    const longest = 'o'.repeat(39);
    assert.equal(whyNotTenantEnvironment('e'.repeat(16)), undefined);
    assert.equal(tenantNamespace(longest, 'e'.repeat(16)).length, 63);
    assert.match(whyNotTenantEnvironment('e'.repeat(17)) ?? '', /longer than the 16 characters/);
  });

  it('are refused where one environment’s could be taken for another’s', () => {
    for (const one of ['tenant', 'tenant-a', 'a-tenant', 'a-tenant-b']) {
      assert.match(whyNotTenantEnvironment(one) ?? '', /the word "tenant"/);
    }
    assert.equal(whyNotTenantEnvironment('tenants'), undefined);
  });
});
