const assert = require('node:assert/strict');
const { price } = require('./handler.js');

console.log('a single item costs its price');
assert.equal(price([{ price: 5, quantity: 1 }]), 5);

console.log('three of one item cost three times its price');
assert.equal(
  price([{ price: 5, quantity: 3 }]),
  15,
  'three items at 5 must cost 15, but the quantity is ignored',
);
