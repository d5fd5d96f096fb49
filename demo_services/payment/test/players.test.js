'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Player, checkedName } = require('../src/players');

test('a player has the id of a UUID version 5', () => {
  // python -c "import uuid; print(uuid.uuid5(uuid.NAMESPACE_OID, 'ada').hex[:12])"
  assert.equal(new Player('ada').id, 'c2aa3ecac1f3');
});

test('a rich player is a VIP', () => {
  const player = new Player('ada');
  assert.equal(player.tier, 'regular');
  player.balance = 5000;
  assert.equal(player.tier, 'vip');
});

for (const name of ['', 'a b', '<b>', '.ada', 'a'.repeat(33), 'ada\n', 7, null, undefined, ['ada']]) {
  test(`${JSON.stringify(name)} is no name`, () => {
    assert.throws(() => checkedName(name), { status: 422, error: 'bad-player' });
  });
}

test('__proto__ is refused as a name, and constructor is one like any other', () => {
  assert.throws(() => checkedName('__proto__'), { status: 422 });
  assert.equal(checkedName('constructor'), 'constructor');
});
