'use strict';

const { setTimeout: pause } = require('node:timers/promises');

const Sentry = require('@sentry/node');

const LATENCY_MS = 5;
const mailboxes = new Map([
  ['grace', { letters: 3, size: 100 }],
  ['alan', { letters: 0, size: 100 }],
]);

/**
 * Mail the receipt of a payment.
 *
 * @param {import('../payment').Payment} payment
 */
async function mailReceipt(payment) {
  payment.reach('receipt');
  Sentry.addBreadcrumb({ category: 'mail', message: `receipt for ${payment.player} handed over` });
  await pause(LATENCY_MS);
  deliver(`${payment.player}@casino`, payment);
}

/**
 * @param {string} recipient
 * @param {import('../payment').Payment} payment
 */
function deliver(recipient, payment) {
  // The receipt is one more letter in the mailbox.
  const mailbox = mailboxes.get(recipient);
  mailbox.letters += 1;
  Sentry.addBreadcrumb({ category: 'mail', message: `receipt of ${payment.id} delivered` });
}

module.exports = { mailReceipt };
