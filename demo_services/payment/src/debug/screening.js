'use strict';

const { setTimeout: pause } = require('node:timers/promises');

const Sentry = require('@sentry/node');

const DEADLINE_MS = 10;

/**
 * Ask two offices how risky a payment is, and return the higher of their scores.
 *
 * @param {import('../payment').Payment} payment
 * @returns {Promise<number>}
 */
async function riskOf(payment) {
  payment.reach('screening');
  return Sentry.startSpan({ op: 'payment.screening', name: 'screen the charge' }, async () => {
    const answers = await Promise.allSettled([askHouse(payment), askBureau(payment)]);
    Sentry.addBreadcrumb({
      category: 'screening',
      message: `offices: ${answers.map(({ status }) => status).join(', ')}`,
    });
    return highest(answers);
  });
}

/** @param {import('../payment').Payment} payment */
async function askHouse(payment) {
  return { office: 'house', score: payment.amount / 1000 };
}

/** @param {import('../payment').Payment} payment */
async function askBureau(payment) {
  await pause(DEADLINE_MS);
  throw new Error(`the bureau did not answer for ${payment.player} within ${DEADLINE_MS} ms`);
}

/** @param {PromiseSettledResult<{score: number}>[]} answers */
function highest(answers) {
  let risk = 0;
  for (const answer of answers) {
    // The highest score of all answers decides.
    risk = Math.max(risk, answer.value.score);
  }
  return risk;
}

module.exports = { riskOf };
