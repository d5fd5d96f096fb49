'use strict';

const { traceOfRequest } = require('./trace');

/**
 * Write one line of JSON to standard output, for whoever started this process.
 *
 * @param {string} type
 * @param {Record<string, unknown>} facts
 */
function announce(type, facts) {
  process.stdout.write(`${JSON.stringify({ type, ...facts })}\n`);
}

/**
 * Say when a request arrives and when it is over, so that a request that took the process down
 * is known. The status is null for a caller who went away without an answer.
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
