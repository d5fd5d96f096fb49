'use strict';

const { traceOfRequest } = require('./trace');

/**
 * Write one line of JSON to standard output, for the process that started this one.
 *
 * @param {string} type
 * @param {Record<string, unknown>} facts
 */
function announce(type, facts) {
  process.stdout.write(`${JSON.stringify({ type, ...facts })}\n`);
}

/**
 * Report when a request arrives and when it ends, so that a request that killed the process can
 * be identified. The status is null for a caller who left without an answer.
 *
 * @param {import('node:http').IncomingMessage} req
 * @param {import('node:http').ServerResponse} res
 */
function announceRequest(req, res) {
  const [path] = req.url.split('?');
  if (path === '/health') return;
  const trace = traceOfRequest();
  announce('request', { method: req.method, path, ...trace });
  res.once('close', () => {
    announce('answer', { ...trace, status: res.writableFinished ? res.statusCode : null });
  });
}

module.exports = { announce, announceRequest };
