'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { callerAt, readRate } = require('../src/guard');

test('a rate is a number per unit of time', () => {
  assert.deepEqual(readRate('100/second'), { limit: 100, windowMs: 1000 });
  assert.deepEqual(readRate('2/minute'), { limit: 2, windowMs: 60_000 });
});

for (const rate of ['', 'fast', '10', '10/fortnight', '-1/second', '1.5/second']) {
  test(`'${rate}' is no rate`, () => {
    assert.throws(() => readRate(rate), /DEBUG_RATE must be like 100\/second/);
  });
}

test('this machine is one caller under all its addresses', () => {
  assert.equal(callerAt('127.0.0.1'), callerAt('127.8.9.10'));
  assert.notEqual(callerAt('127.0.0.1'), callerAt('10.0.0.1'));
  assert.notEqual(callerAt('10.0.0.1'), callerAt('10.0.0.2'));
});
