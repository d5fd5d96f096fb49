'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { mb } = require('../bounds.json');
const { readNumber } = require('../src/bounds');

test('without a number it is the default', () => {
  assert.equal(readNumber('mb', undefined), mb.default);
});

test('both bounds are allowed', () => {
  assert.equal(readNumber('mb', String(mb.minimum)), mb.minimum);
  assert.equal(readNumber('mb', String(mb.maximum)), mb.maximum);
});

for (const text of [mb.minimum - 1, mb.maximum + 1, '', 'x', '1.5', '1e1', '٣٢', ['20', '20'], {}]) {
  test(`${JSON.stringify(text)} is out of bounds`, () => {
    assert.throws(() => readNumber('mb', text), { status: 422, error: 'out-of-bounds' });
  });
}
