'use strict';

const { name, version } = require('../package.json');

/**
 * The settings of the service, from its environment at startup.
 *
 * @typedef {object} Settings
 * @property {number} port where it listens, on 127.0.0.1 only; 0 takes any free port
 * @property {string | undefined} debugToken that debug routes require; without it they answer 404
 * @property {string} debugRate how often one address may call them, "100/second"
 * @property {string} release
 * @property {string} environment
 * @property {string | undefined} learner who uses this system, where several share one Sentry
 */

/**
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Settings}
 */
function readSettings(environment) {
  return {
    port: Number(environment.PORT || 8083),
    debugToken: environment.DEBUG_TOKEN || undefined,
    debugRate: environment.DEBUG_RATE || '100/second',
    release: environment.SENTRY_RELEASE || `${name}@${version}`,
    environment: environment.SENTRY_ENVIRONMENT || 'workshop',
    learner: environment.LEARNER || undefined,
  };
}

module.exports = { readSettings };
