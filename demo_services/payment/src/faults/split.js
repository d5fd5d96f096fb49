'use strict';

const { createHash } = require('node:crypto');

/**
 * Return whether the request with this key is among the share that a flag hits.
 *
 * demo_services/faults/split.py does the same, so a spin is hit in every service or in none.
 *
 * @param {number} seed
 * @param {string} flag
 * @param {string} key the id of the request's trace
 * @param {number} share from 0 to 1
 */
function isHit(seed, flag, key, share) {
  const digest = createHash('sha256').update(`${seed}:${flag}:${key}`).digest();
  return Number(digest.readBigUInt64BE(0)) / 2 ** 64 < share;
}

module.exports = { isHit };
