'use strict';

const { name } = require('../../package.json');

const NO_OP = 'no-op';

/** The flags of faults.json, which the Python services read, too. */
function readFlags() {
  // Not at startup: the service works without the file if no fault is used.
  return require('../../../faults.json').flags;
}

/** @param {string} fault */
function numbersOf(fault) {
  return readFlags()[fault].metadata;
}

/** @returns {string[]} the names of the faults that this service evaluates */
function knownFaults() {
  const places = [name, 'every'];
  return Object.keys(readFlags()).filter((fault) => places.includes(numbersOf(fault).service));
}

module.exports = { NO_OP, knownFaults, numbersOf };
