'use strict';

const { createHash } = require('node:crypto');

const { start_balance: START_BALANCE, vip_balance: VIP_BALANCE } = require('../bounds.json');
const { Refused } = require('./refused');

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;
// The namespace of RFC 9562, appendix C, for object identifiers.
const OID_NAMESPACE = Buffer.from('6ba7b8129dad11d180b400c04fd430c8', 'hex');

/** Someone at the machine. */
class Player {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.balance = START_BALANCE;
  }

  /** The same for the same name, in every service: the first 12 digits of a UUID version 5. */
  get id() {
    const digest = createHash('sha1').update(OID_NAMESPACE).update(this.name).digest('hex');
    return digest.slice(0, 12);
  }

  /** How the house treats the player. */
  get tier() {
    return this.balance >= VIP_BALANCE ? 'vip' : 'regular';
  }
}

/**
 * Return the name of a player.
 *
 * @param {unknown} name
 * @returns {string}
 * @throws {Refused} 422 when it is invalid
 */
function checkedName(name) {
  if (typeof name === 'string' && NAME.test(name)) return name;
  throw new Refused(
    422,
    'bad-player',
    'player must be 1 to 32 letters, digits, dots, dashes or _.',
  );
}

module.exports = { Player, START_BALANCE, checkedName };
