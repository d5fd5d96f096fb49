'use strict';

const { Refused } = require('./refused');

// Letters, digits and signs, as keys are in practice; see draft-ietf-httpapi-idempotency-key-header.
const KEY = /^[\x21-\x7e]{1,128}$/;

/**
 * Return the key under which a payment is made only once: the header `Idempotency-Key` or, because
 * a spin is charged once and pays once, its kind and spin.
 *
 * @param {import('express').Request} req
 * @param {'charge' | 'payout'} kind
 * @param {{spin_id: string}} order
 * @throws {Refused} 422 when the header is invalid
 */
function idempotencyKey(req, kind, order) {
  const given = req.get('Idempotency-Key');
  if (given === undefined) return `spin:${kind}:${order.spin_id}`;
  if (KEY.test(given)) return `header:${given}`;
  throw new Refused(
    422,
    'bad-idempotency-key',
    'Idempotency-Key must be 1 to 128 visible ASCII characters.',
  );
}

module.exports = { idempotencyKey };
