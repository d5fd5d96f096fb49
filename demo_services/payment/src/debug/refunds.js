'use strict';

const Sentry = require('@sentry/node');

/**
 * Return the id of the payment at the start of a chain of refunds.
 *
 * @param {import('../payment').Payment} payment
 */
function firstPayment(payment) {
  payment.reach('refund');
  const refunds = new Map([
    [payment.id, 'refund-1'],
    ['refund-1', 'refund-2'],
    ['refund-2', payment.id],
  ]);
  Sentry.addBreadcrumb({
    category: 'refund',
    message: `${payment.id} refunds refund-1`,
    data: Object.fromEntries(refunds),
  });
  return Sentry.startSpan({ op: 'payment.refund', name: 'find the first payment' }, () =>
    followRefunds(refunds, payment.id),
  );
}

/**
 * @param {Map<string, string>} refunds what each payment refunds
 * @param {string} id
 * @returns {string}
 */
function followRefunds(refunds, id) {
  const refunded = refunds.get(id);
  // The refunded payment may itself be a refund.
  return refunded === undefined ? id : followRefunds(refunds, refunded);
}

module.exports = { firstPayment };
