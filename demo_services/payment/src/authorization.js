'use strict';

const Sentry = require('@sentry/node');

/**
 * Return the acquirer's authorization code for a charge.
 *
 * @param {{amount: number}} order
 * @returns {string}
 */
function authorize({ amount }) {
  const answer = JSON.parse(`{"amount": ${amount}, "status": "pending"}`);
  Sentry.addBreadcrumb({
    category: 'payment',
    message: `the acquirer answered: ${answer.status}`,
    data: answer,
  });
  // A pending charge has no approval yet.
  return answer.approval.code;
}

module.exports = { authorize };
