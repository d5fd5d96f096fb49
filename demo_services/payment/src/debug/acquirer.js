'use strict';

const { EventEmitter } = require('node:events');

const Sentry = require('@sentry/node');

const LATENCY_MS = 5;

/** The bank's line: its answers arrive as `data` events, split wherever the network splits them. */
class AcquirerLine extends EventEmitter {
  /** @param {import('../payment').Payment} payment */
  ask(payment) {
    const answer = `${payment.id};${payment.amount};APPROVED 7731\n`;
    const cut = answer.indexOf('APPROVED');
    setTimeout(() => this.emit('data', answer.slice(0, cut - 1)), LATENCY_MS);
    setTimeout(() => this.emit('data', answer.slice(cut - 1)), 2 * LATENCY_MS);
  }
}

/**
 * Ask the bank to approve a payment.
 *
 * @param {import('../payment').Payment} payment
 * @param {(approval: object) => void} done
 */
function approve(payment, done) {
  payment.reach('approval');
  Sentry.addBreadcrumb({ category: 'payment', message: 'asked the acquirer for an approval' });
  const line = new AcquirerLine();
  line.once('data', (chunk) => done(readApproval(chunk)));
  line.ask(payment);
}

/** @param {string} chunk received on the line, "payment;amount;verdict" */
function readApproval(chunk) {
  const [payment, amount, verdict] = chunk.split(';');
  // The verdict on an approved payment ends with a code.
  return { payment, amount: Number(amount), code: verdict.replace('APPROVED ', '').trim() };
}

module.exports = { approve };
