'use strict';

const bounds = require('../bounds.json');
const { Refused } = require('./refused');

// ASCII digits only, and not so many that they lose precision.
const WHOLE_NUMBER = /^-?[0-9]{1,9}$/;

/**
 * Return the number in a query, or the default.
 *
 * @param {'mb' | 'ms'} name of the parameter, as in bounds.json
 * @param {unknown} text
 * @returns {number}
 * @throws {Refused} 422 when it is not a whole number or out of bounds
 */
function readNumber(name, text) {
  const { default: fallback, minimum, maximum } = bounds[name];
  if (text === undefined) return fallback;
  const number = WHOLE_NUMBER.test(String(text)) ? Number(text) : NaN;
  if (number >= minimum && number <= maximum) return number;
  throw new Refused(
    422,
    'out-of-bounds',
    `${name} must be a whole number from ${minimum} to ${maximum}.`,
  );
}

module.exports = { readNumber };
