'use strict';

const Sentry = require('@sentry/node');

const { name } = require('../package.json');
const { checkSeconds, outOfBounds } = require('./faults/order');

const TAG = 'remediation';
const MAX_CHARS = 200;
const KEPT = 10;
const CONTROL = /\p{C}/u;

/**
 * Decisions about this service, such as repairs: its events include them for a while.
 *
 * At first there are none, and events are unchanged.
 */
class Decisions {
  /** @type {{decision: string, at: number, until: number}[]} */
  #noted = [];

  /**
   * Record a decision for `seconds`; return its state.
   *
   * @param {Record<string, unknown>} body
   * @throws {import('./refused').Refused} 422 out of bounds
   */
  note({ decision, seconds }) {
    const isText = typeof decision === 'string' && !CONTROL.test(decision);
    if (!isText || decision.length === 0 || decision.length > MAX_CHARS) {
      throw outOfBounds(`decision must be 1 to ${MAX_CHARS} printable characters.`);
    }
    checkSeconds(seconds);
    const at = Date.now() / 1000;
    const state = { decision, at, until: at + seconds };
    this.#noted = [...this.states(), state].slice(-KEPT);
    return state;
  }

  /** Delete all; return the states of the current ones. */
  clear() {
    const cleared = this.states();
    this.#noted = [];
    return cleared;
  }

  /** The states of the current ones, latest last. */
  states() {
    const now = Date.now() / 1000;
    return this.#noted.filter(({ until }) => until > now);
  }

  /** Add the latest to the events of this request as a tag, and all as breadcrumbs. */
  describe() {
    if (this.#noted.length === 0) return;
    this.#noted = this.states();
    for (const { decision, at } of this.#noted) {
      Sentry.addBreadcrumb({ category: TAG, message: decision, level: 'info', timestamp: at });
    }
    const latest = this.#noted.at(-1);
    if (latest) Sentry.setTag(TAG, latest.decision);
  }
}

/**
 * The handlers of the route for decisions.
 *
 * @param {Decisions} decisions
 * @returns {Record<'get' | 'post' | 'delete', import('express').RequestHandler>}
 */
function decisionRoutes(decisions) {
  return {
    get: function showDecisions(req, res) {
      res.json({ service: name, decisions: decisions.states() });
    },

    post: function noteDecision(req, res) {
      res.status(201).json(decisions.note(req.body));
    },

    delete: function clearDecisions(req, res) {
      res.json({ ended: decisions.clear() });
    },
  };
}

module.exports = { Decisions, decisionRoutes };
