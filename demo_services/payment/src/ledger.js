'use strict';

const Sentry = require('@sentry/node');

const { Payment } = require('./payment');
const { Player, START_BALANCE, checkedName } = require('./players');
const { Refused } = require('./refused');
const { Recent } = require('./recent');

const MAX_PLAYERS = 10_000;
const MAX_PAYMENTS = 10_000;

/** Keeps every player's balance in memory, and moves money only once for each key. */
class Ledger {
  #players = new Recent(MAX_PLAYERS);
  #payments = new Recent(MAX_PAYMENTS);

  /**
   * Return the player of that name, a new one with the start balance if unknown.
   *
   * @param {unknown} name
   * @returns {Player}
   * @throws {Refused} 422 when the name is invalid
   */
  player(name) {
    const player = this.#open(checkedName(name));
    Sentry.setUser({ id: player.id, username: player.name });
    Sentry.setTag('player.tier', player.tier);
    Sentry.addBreadcrumb({
      category: 'player',
      message: `account of ${player.name}`,
      data: { balance: player.balance, tier: player.tier },
    });
    return player;
  }

  /**
   * Lend the player what is missing for a charge, so that debug routes always work.
   *
   * @param {string} name
   * @param {number} amount
   */
  lend(name, amount) {
    const player = this.#open(name);
    if (player.balance >= amount) return;
    player.balance = START_BALANCE;
    Sentry.addBreadcrumb({
      category: 'player',
      message: `the house lends ${name} ${START_BALANCE}`,
    });
  }

  /**
   * Move money, or return the payment that an earlier request with this key made.
   *
   * A refused payment is not stored: it moved nothing and may be retried.
   *
   * @param {'charge' | 'payout'} kind
   * @param {{player: string, amount: number, spin_id: string}} order
   * @param {string} key
   * @returns {{payment: Payment, replayed: boolean}}
   * @throws {Refused} 402 when the player cannot pay, 409 when the key belongs to another order
   */
  settle(kind, order, key) {
    const earlier = this.#payments.get(key);
    if (earlier) return { payment: repeated(sameOrder(earlier, kind, order)), replayed: true };
    const payment = new Payment(kind, order);
    this.#move(payment);
    this.#payments.set(key, payment);
    return { payment, replayed: false };
  }

  /** @param {string} name */
  #open(name) {
    const player = this.#players.get(name) ?? new Player(name);
    this.#players.set(name, player);
    return player;
  }

  /** @param {Payment} payment */
  #move(payment) {
    Sentry.startSpan({ op: `payment.${payment.kind}`, name: `book the ${payment.kind}` }, () => {
      const player = this.player(payment.player);
      payment.reach('checked');
      player.balance = balanceAfter(payment, player.balance);
      payment.balance = player.balance;
      payment.reach('booked');
      Sentry.addBreadcrumb({
        category: 'payment',
        message: `${payment.kind} of ${payment.amount} booked, balance ${payment.balance}`,
        data: { payment: payment.id, spin: payment.spin_id },
      });
      logBooked(payment, player.tier);
    });
  }
}

/**
 * @param {Payment} payment
 * @param {string} tier of the player
 */
function logBooked({ id, kind, amount, balance, spin_id }, tier) {
  const message = Sentry.logger.fmt`${kind} of ${amount} booked, balance ${balance}`;
  Sentry.logger.info(message, { 'payment.id': id, 'spin.id': spin_id, 'player.tier': tier });
  Sentry.metrics.count('payment.booked', 1, { attributes: { kind, 'player.tier': tier } });
  Sentry.metrics.distribution('payment.amount', amount, { attributes: { kind } });
}

/** @param {Payment} payment that an earlier request made */
function repeated(payment) {
  const ids = { 'payment.id': payment.id, 'spin.id': payment.spin_id };
  Sentry.logger.info(Sentry.logger.fmt`${payment.kind} repeated, nothing moved`, ids);
  return payment;
}

/**
 * @param {Payment} payment
 * @param {number} balance
 * @throws {Refused} 402 when it would be negative
 */
function balanceAfter(payment, balance) {
  const after = payment.kind === 'charge' ? balance - payment.amount : balance + payment.amount;
  if (after >= 0) return after;
  throw new Refused(
    402,
    'balance-too-low',
    `The amount is ${payment.amount}, the balance ${balance}.`,
  );
}

/**
 * @param {Payment} earlier
 * @param {string} kind
 * @param {{player: string, amount: number, spin_id: string}} order
 * @throws {Refused} 409 when they differ
 */
function sameOrder(earlier, kind, order) {
  const same =
    earlier.kind === kind &&
    earlier.player === order.player &&
    earlier.amount === order.amount &&
    earlier.spin_id === order.spin_id;
  if (same) return earlier;
  throw new Refused(
    409,
    'idempotency-key-reused',
    'This idempotency key belongs to another payment.',
  );
}

module.exports = { Ledger };
