'use strict';

const assert = require('node:assert/strict');
const { mock, test } = require('node:test');

const { Faults } = require('../src/faults/leases');
const { readOrder } = require('../src/faults/order');

const ORDER = { fault: 'payment-fails', share: 0.25, seconds: 60, seed: 7 };

test('a fault is evaluated under its own name, or under another', () => {
  assert.equal(readOrder(ORDER).flag, 'payment-fails');
  assert.equal(readOrder({ ...ORDER, flag: 'checkout-v2' }).flag, 'checkout-v2');
});

for (const [field, wrong] of Object.entries({
  share: [-0.1, 1.1, '1', null, undefined, NaN],
  seconds: [0, -1, 601, '60', undefined],
  seed: [-1, 1.5, '7', undefined, 2 ** 53],
  flag: ['', 'two words', 'x'.repeat(65), 7, null],
})) {
  for (const value of wrong) {
    test(`${field} cannot be ${value}`, () => {
      assert.throws(() => readOrder({ ...ORDER, [field]: value }), { status: 422 });
    });
  }
}

test('a fault of another service is unknown, and those of this one are named', () => {
  const known = /known: no-op, payment-fails, payment-slow, payment-hangs, payment-dies\./;
  assert.throws(() => readOrder({ ...ORDER, fault: 'mongo-down' }), { status: 404, message: known });
});

test('a fault ends by itself', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const faults = new Faults();
  assert.ok(faults.isOff);
  const state = await faults.begin(readOrder(ORDER));
  assert.equal(state.until, state.began_at + 60);
  assert.ok(!faults.isOff);
  mock.timers.tick(60_001);
  assert.ok(faults.isOff);
  assert.equal(faults.states().ended[0].ended_by, 'lease');
  mock.timers.reset();
});

test('the same fault again replaces it, and one that is cleared has ended', async () => {
  const faults = new Faults();
  await faults.begin(readOrder(ORDER));
  await faults.begin(readOrder({ ...ORDER, share: 1 }));
  assert.deepEqual(faults.states().faults.map(({ share }) => share), [1]);
  assert.deepEqual(faults.clear('payment-slow'), []);
  assert.deepEqual(faults.clear().map(({ ended_by }) => ended_by), ['cleared']);
  assert.deepEqual(faults.states().ended.map(({ ended_by }) => ended_by), ['replaced', 'cleared']);
});

test('two faults cannot share a flag', async () => {
  const faults = new Faults();
  await faults.begin(readOrder({ ...ORDER, flag: 'release' }));
  const other = readOrder({ ...ORDER, fault: 'payment-slow', flag: 'release' });
  await assert.rejects(faults.begin(other), { status: 422 });
});
