import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isPublicAddress } from './public-address.ts';

it('takes no address for public that stands for a private one, or for any other by way of a relay', () => {
  const others = [
    '127.0.0.1',
    '10.1.2.3',
    '192.88.99.1',
    '::',
    '::1',
    '::7f00:1',
    '::10.0.0.1',
    '::ffff:127.0.0.1',
  ];
  const relayed = [
    '::ffff:8.8.8.8',
    '::ffff:0:7f00:1',
    '2001::1',
    '2001:0:53aa::1',
    '2002:7f00:1::',
    '64:ff9b::a00:1',
  ];
  for (const address of [
    ...others,
    ...relayed,
    'fec0::1',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '1.2.3',
    'x',
    '',
  ]) {
    assert.equal(isPublicAddress(address), false, address);
  }
  for (const address of ['8.8.8.8', '192.88.98.1', '2001:4860:4860::8888', '2606:4700::1111', '2003::1']) {
    assert.equal(isPublicAddress(address), true, address);
  }
});
