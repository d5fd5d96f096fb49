'use strict';

const Sentry = require('@sentry/node');

/**
 * Six ways in which a payment goes wrong, each with its own level and fingerprint.
 *
 * Two are handled: reported, recovered from, and the player never notices. Four are not.
 */

/** The bank said no. */
class CardDeclined extends Error {
  name = 'CardDeclined';
}

/** A message does not have the agreed format. */
class ValidationError extends Error {
  name = 'ValidationError';
}

/** An account of the house cannot pay what it owes. */
class InsufficientFunds extends Error {
  name = 'InsufficientFunds';
}

/** A payment could not be confirmed. */
class SettlementError extends Error {
  name = 'SettlementError';
}

const CARD_LIMIT = 5;
const HOUSE_ACCOUNT = { name: 'jackpot', balance: 400 };

/**
 * Declined: the card is over its limit, so the balance pays.
 *
 * @param {import('../payment').Payment} payment
 */
function payByCard(payment) {
  try {
    chargeCard(payment, CARD_LIMIT);
  } catch (error) {
    if (!(error instanceof CardDeclined)) throw error;
    Sentry.captureException(error, { level: 'info', fingerprint: ['payment', 'card-declined'] });
    Sentry.logger.info('card declined, the balance pays', { 'payment.id': payment.id });
    Sentry.metrics.count('payment.cards_declined', 1);
  }
  return `The card was declined; the balance of ${payment.balance} has paid.`;
}

/**
 * @param {import('../payment').Payment} payment
 * @param {number} limit
 */
function chargeCard(payment, limit) {
  const missing = payment.amount - limit;
  if (missing > 0) throw new CardDeclined(`over the limit of the card by ${missing}`);
}

/**
 * Validation: a notice from the bank has the wrong format, and is put aside.
 *
 * @param {import('../payment').Payment} payment
 */
function readNotice(payment) {
  const notice = { payment: payment.id, amount: String(payment.amount), currency: 'credits' };
  try {
    validateNotice(notice);
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    Sentry.captureException(error, { level: 'warning', fingerprint: ['payment', 'bad-notice'] });
  }
  return `The notice for ${payment.id} was put aside.`;
}

/** @param {Record<string, unknown>} notice */
function validateNotice(notice) {
  const wrong = ['amount'].filter((field) => !Number.isInteger(notice[field]));
  if (wrong.length > 0) throw new ValidationError(`not a whole number: ${wrong.join(', ')}`);
}

/**
 * Insufficient funds: the house cannot pay the jackpot. That is worth waking someone up.
 *
 * @param {import('../payment').Payment} payment
 */
function payJackpot(payment) {
  Sentry.getIsolationScope().setLevel('fatal').setFingerprint(['payment', 'house-out-of-funds']);
  const rest = withdraw({ ...HOUSE_ACCOUNT }, payment.amount * 100);
  return `The jackpot was paid; ${rest} is left.`;
}

/**
 * @param {{name: string, balance: number}} account
 * @param {number} amount
 */
function withdraw(account, amount) {
  const after = account.balance - amount;
  if (after < 0) throw new InsufficientFunds(`${account.name} is short of ${-after}`);
  return after;
}

/**
 * Type: a number that arrives as text. JavaScript still adds it, and fails a line later.
 *
 * @param {import('../payment').Payment} payment
 */
function addFee(payment) {
  Sentry.getIsolationScope().setLevel('error').setFingerprint(['payment', 'fee-type']);
  const terms = JSON.parse('{"name": "weekend", "fee": "2.5"}');
  const total = payment.amount + terms.fee;
  return `With the fee it is ${total.toFixed(2)}.`;
}

/**
 * Range: a currency that the runtime does not know.
 *
 * @param {import('../payment').Payment} payment
 */
function printAmount(payment) {
  Sentry.getIsolationScope().setLevel('error').setFingerprint(['payment', 'unknown-currency']);
  const currency = 'CREDITS';
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  return `The receipt says ${format.format(payment.amount)}.`;
}

/**
 * Custom: our own error, with its cause.
 *
 * @param {import('../payment').Payment} payment
 */
function confirmPayment(payment) {
  Sentry.getIsolationScope().setLevel('error').setFingerprint(['payment', 'settlement']);
  const receipt = '<html><h1>502 Bad Gateway</h1></html>';
  try {
    return `The bank confirmed ${JSON.parse(receipt).amount}.`;
  } catch (cause) {
    throw new SettlementError(`payment ${payment.id} was not confirmed`, { cause });
  }
}

/** The failures, by the last part of their path. */
const ERRORS = {
  declined: payByCard,
  validation: readNotice,
  'insufficient-funds': payJackpot,
  type: addFee,
  range: printAmount,
  custom: confirmPayment,
};

module.exports = { ERRORS };
