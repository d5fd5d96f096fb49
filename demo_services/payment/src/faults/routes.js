'use strict';

const { knownFault, readOrder } = require('./order');

/**
 * The handlers of the route that turns faults on and off.
 *
 * @param {import('./leases').Faults} faults
 * @returns {Record<'get' | 'post' | 'delete', import('express').RequestHandler>}
 */
function faultRoutes(faults) {
  return {
    get: function showFaults(req, res) {
      res.json(faults.states());
    },

    post: async function beginFault(req, res) {
      res.status(201).json(await faults.begin(readOrder(req.body)));
    },

    delete: function clearFaults(req, res) {
      const { fault } = req.query;
      res.json({ ended: faults.clear(fault === undefined ? undefined : knownFault(fault)) });
    },
  };
}

module.exports = { faultRoutes };
