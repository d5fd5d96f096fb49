'use strict';

/**
 * A request that the service turns down: the caller's mistake, not the service's.
 *
 * It is an answer, not a failure. Sentry's Express integration goes by `status` and leaves
 * everything below 500 alone.
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
 * What every unknown path answers, and every debug route while debugging is off.
 *
 * @param {string} path
 */
function notFound(path) {
  return new Refused(404, 'not-found', `There is nothing at ${path}.`);
}

module.exports = { Refused, notFound };
