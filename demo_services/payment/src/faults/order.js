'use strict';

const { name } = require('../../package.json');
const { Refused } = require('../refused');
const { knownFaults } = require('./names');

const MAX_SECONDS = 600;
const FLAG = /^[A-Za-z0-9-]{1,64}$/;

/**
 * A fault for `seconds` that hits a `share` of the requests; `seed` decides which.
 *
 * @typedef {{fault: string, flag: string, share: number, seconds: number, seed: number}} Order
 */

/**
 * Return the order in a request's body.
 *
 * @param {Record<string, unknown>} body
 * @returns {Order}
 * @throws {Refused} 404 for an unknown fault, 422 out of bounds
 */
function readOrder(body) {
  const fault = knownFault(body.fault);
  const { flag = fault, share, seconds, seed } = body;
  if (typeof flag !== 'string' || !FLAG.test(flag)) {
    throw outOfBounds('flag must be 1 to 64 letters, digits or dashes.');
  }
  if (!Number.isFinite(share) || share < 0 || share > 1) {
    throw outOfBounds('share must be a number from 0 to 1.');
  }
  checkSeconds(seconds);
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw outOfBounds(`seed must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}.`);
  }
  return { fault, flag, share, seconds, seed };
}

/**
 * @param {unknown} fault
 * @returns {string}
 * @throws {Refused} 404 when there is no such fault
 */
function knownFault(fault) {
  const known = knownFaults();
  if (known.includes(fault)) return fault;
  const detail = `${name} has no fault '${fault}'; known: ${known.join(', ')}.`;
  throw new Refused(404, 'unknown-fault', detail);
}

/**
 * Check the duration of a lease.
 *
 * @param {unknown} seconds
 * @throws {Refused} 422 out of bounds
 */
function checkSeconds(seconds) {
  if (!Number.isFinite(seconds) || seconds <= 0 || seconds > MAX_SECONDS) {
    throw outOfBounds(`seconds must be a number above 0, at most ${MAX_SECONDS}.`);
  }
}

/** @param {string} detail */
function outOfBounds(detail) {
  return new Refused(422, 'out-of-bounds', detail);
}

module.exports = { checkSeconds, knownFault, outOfBounds, readOrder };
