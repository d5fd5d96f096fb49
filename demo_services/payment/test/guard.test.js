'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { readRate } = require('../src/guard');

test('a rate is a number per unit of time', () => {
  assert.deepEqual(readRate('100/second'), { limit: 100, windowMs: 1000 });
  assert.deepEqual(readRate('2/minute'), { limit: 2, windowMs: 60_000 });
});

for (const rate of ['', 'fast', '10', '10/fortnight', '-1/second', '1.5/second']) {
  test(`'${rate}' is no rate`, () => {
    assert.throws(() => readRate(rate), /DEBUG_RATE must be like 100\/second/);
  });
}
