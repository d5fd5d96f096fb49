'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { start_balance: START_BALANCE } = require('../bounds.json');
const { Ledger } = require('../src/ledger');

const order = { player: 'ada', amount: 10, spin_id: 's1' };

test('a charge takes money, a payout gives it', () => {
  const ledger = new Ledger();
  const charge = ledger.settle('charge', order, 'k1').payment;
  const payout = ledger.settle('payout', { ...order, amount: 25 }, 'k2').payment;
  assert.equal(charge.balance, START_BALANCE - 10);
  assert.equal(payout.balance, START_BALANCE + 15);
  assert.equal(ledger.player('ada').balance, START_BALANCE + 15);
});

test('the same key gives the same payment and moves nothing again', () => {
  const ledger = new Ledger();
  const first = ledger.settle('charge', order, 'k1');
  const again = ledger.settle('charge', { ...order }, 'k1');
  assert.deepEqual([first.replayed, again.replayed], [false, true]);
  assert.equal(again.payment, first.payment);
  assert.equal(ledger.player('ada').balance, START_BALANCE - 10);
});

for (const other of [{ player: 'grace' }, { amount: 11 }, { spin_id: 's2' }]) {
  test(`the same key with another ${Object.keys(other)} is refused`, () => {
    const ledger = new Ledger();
    ledger.settle('charge', order, 'k1');
    assert.throws(() => ledger.settle('charge', { ...order, ...other }, 'k1'), { status: 409 });
  });
}

test('the same key with another kind is refused', () => {
  const ledger = new Ledger();
  ledger.settle('charge', order, 'k1');
  assert.throws(() => ledger.settle('payout', order, 'k1'), { status: 409 });
});

test('who cannot pay is refused, keeps the balance, and may try again', () => {
  const ledger = new Ledger();
  const dear = { ...order, amount: START_BALANCE + 5 };
  assert.throws(() => ledger.settle('charge', dear, 'k1'), { status: 402 });
  assert.equal(ledger.player('ada').balance, START_BALANCE);
  ledger.settle('payout', { ...order, amount: 5 }, 'k2');
  assert.equal(ledger.settle('charge', dear, 'k1').payment.balance, 0);
});

test('all of a balance can be spent', () => {
  const all = { ...order, amount: START_BALANCE };
  assert.equal(new Ledger().settle('charge', all, 'k1').payment.balance, 0);
});

test('the house lends what is missing, and nothing else', () => {
  const ledger = new Ledger();
  ledger.settle('charge', { ...order, amount: START_BALANCE - 4 }, 'k1');
  ledger.lend('ada', 4);
  assert.equal(ledger.player('ada').balance, 4);
  ledger.lend('ada', 5);
  assert.equal(ledger.player('ada').balance, START_BALANCE);
});
