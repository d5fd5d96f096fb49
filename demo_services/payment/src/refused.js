'use strict';

/**
 * A request that the service refuses: the caller's mistake, not the service's.
 *
 * It is an answer, not a failure. Sentry's Express integration checks `status` and ignores
 * everything below 500.
 */
class Refused extends Error {
  name = 'Refused';

  /**
   * @param {number} status of the answer, 4xx
   * @param {string} error a short code
   * @param {string} detail a sentence
   * @param {Record<string, string>} headers of the answer
   */
  constructor(status, error, detail, headers = {}) {
    super(detail);
    this.status = status;
    this.error = error;
    this.headers = headers;
  }

  /** The JSON body of the answer. */
  body() {
    return { error: this.error, detail: this.message };
  }
}

/**
 * Return the answer of unknown paths, and of debug routes while debugging is off.
 *
 * @param {string} path
 */
function notFound(path) {
  return new Refused(404, 'not-found', `There is nothing at ${path}.`);
}

module.exports = { Refused, notFound };
