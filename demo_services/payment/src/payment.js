'use strict';

const { randomUUID } = require('node:crypto');

const Sentry = require('@sentry/node');

const { amount: AMOUNT } = require('../bounds.json');
const { checkedName } = require('./players');
const { Refused } = require('./refused');

const SPIN_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Money on its way, to the house (`charge`) or to the player (`payout`). */
class Payment {
  /**
   * @param {'charge' | 'payout'} kind
   * @param {{player: string, amount: number, spin_id: string}} order what was asked for, checked
   */
  constructor(kind, order) {
    this.id = randomUUID().replaceAll('-', '').slice(0, 12);
    this.kind = kind;
    this.player = order.player;
    this.amount = order.amount;
    this.spin_id = order.spin_id;
    this.balance = null;
    this.stage = 'received';
  }

  /**
   * Record how far the payment got; every later event has it.
   *
   * @param {string} stage
   */
  reach(stage) {
    this.stage = stage;
    Sentry.setContext('payment', { ...this });
  }

  /** The result for the caller. */
  result() {
    const { stage, ...told } = this;
    return told;
  }
}

/**
 * Return the order in a request's body.
 *
 * @param {Record<string, unknown>} body
 * @throws {Refused} 422 that names what is wrong
 */
function checkedOrder(body) {
  const player = checkedName(body.player);
  const { amount, spin_id } = body;
  if (!Number.isInteger(amount) || amount < AMOUNT.minimum || amount > AMOUNT.maximum) {
    const { minimum, maximum } = AMOUNT;
    throw new Refused(
      422,
      'bad-amount',
      `amount must be a whole number from ${minimum} to ${maximum}.`,
    );
  }
  if (typeof spin_id !== 'string' || !SPIN_ID.test(spin_id)) {
    throw new Refused(
      422,
      'bad-spin-id',
      'spin_id must be 1 to 64 letters, digits, dashes or _.',
    );
  }
  return { player, amount, spin_id };
}

module.exports = { Payment, checkedOrder };
