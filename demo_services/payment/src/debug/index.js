'use strict';

const { randomUUID } = require('node:crypto');

const { readNumber } = require('../bounds');
const { checkedName } = require('../players');
const { Refused } = require('../refused');
const { traceOfRequest } = require('../trace');
const { approve } = require('./acquirer');
const { ERRORS } = require('./errors');
const { mailReceipt } = require('./mail');
const { archiveReceipts } = require('./receipts');
const { reconcile } = require('./reconciliation');
const { firstPayment } = require('./refunds');
const { riskOf } = require('./screening');
const { printStatement } = require('./statement');

const AMOUNT = 10;

/**
 * The crash routes. Each first makes a real charge and then fails within that work.
 *
 * @param {import('../ledger').Ledger} ledger
 * @returns {Record<string, import('express').RequestHandler>} handlers by path
 */
function debugRoutes(ledger) {
  /** Charge the player whose payment will fail. */
  function charge(req) {
    const player = checkedName(req.query.player ?? 'ada');
    const spin_id = randomUUID().replaceAll('-', '').slice(0, 12);
    ledger.lend(player, AMOUNT);
    return ledger.settle('charge', { player, amount: AMOUNT, spin_id }, `debug:${spin_id}`).payment;
  }

  return {
    '/debug/crash': function crash(req, res) {
      approve(charge(req), (approval) => res.json(approval));
    },

    '/debug/error/:type': function errorOfType(req, res) {
      const settle = checkedType(req.params.type);
      const payment = charge(req);
      payment.reach(req.params.type);
      const detail = settle(payment);
      res.json({ recovered: true, payment: payment.id, detail, ...traceId() });
    },

    '/debug/promise-rejection': function promiseRejection(req, res) {
      const payment = charge(req);
      // The receipt is sent by mail.
      mailReceipt(payment);
      res.status(202).json({ accepted: true, payment: payment.id, ...traceId() });
    },

    '/debug/async-error': async function asyncError(req, res) {
      res.json({ risk: await riskOf(charge(req)) });
    },

    '/debug/memory-leak': async function memoryLeak(req, res) {
      const cap = readNumber('mb', req.query.mb);
      res.json({ kept: await archiveReceipts(charge(req), cap) });
    },

    '/debug/heap-exhaustion': async function heapExhaustion(req, res) {
      res.json({ lines: await printStatement(charge(req)) });
    },

    '/debug/event-loop-block': async function eventLoopBlock(req, res) {
      const budget = readNumber('ms', req.query.ms);
      res.json({ unmatched: await reconcile(charge(req), budget), ...traceId() });
    },

    '/debug/stack-overflow': function stackOverflow(req, res) {
      res.json({ first: firstPayment(charge(req)) });
    },
  };
}

/**
 * @param {string} type
 * @throws {Refused} 404 when there is no such error type
 */
function checkedType(type) {
  if (Object.hasOwn(ERRORS, type)) return ERRORS[type];
  const known = Object.keys(ERRORS).join(', ');
  throw new Refused(404, 'unknown-error-type', `There is no type '${type}'; known: ${known}.`);
}

function traceId() {
  return { trace_id: traceOfRequest().trace_id };
}

module.exports = { debugRoutes };
