'use strict';

const { InMemoryProvider, OpenFeature } = require('@openfeature/server-sdk');
const Sentry = require('@sentry/node');

const { name } = require('../../package.json');
const { isHit } = require('./split');

// OpenFeatureIntegrationHook of @sentry/node only works in browsers; here it does nothing.
const sentryHook = {
  after(context, { flagKey, value }) {
    if (typeof value !== 'boolean') return;
    Sentry.getClient().getIntegrationByName('FeatureFlags').addFeatureFlag(flagKey, value);
  },
};

/**
 * The flags of this service. This file is required when the first fault is set: until then the
 * service does not load OpenFeature.
 */
class Flags {
  #provider = new InMemoryProvider();
  #client;

  /** Return the flags, once they can be used. */
  static async start() {
    Sentry.addIntegration(Sentry.featureFlagsIntegration());
    const flags = new Flags();
    await OpenFeature.setProviderAndWait(name, flags.#provider);
    flags.#client = OpenFeature.getClient(name).addHooks(sentryHook);
    return flags;
  }

  /** @param {import('./order').Order[]} orders whose flags are served */
  use(orders) {
    const flags = orders.map((order) => [order.flag, booleanFlag(order)]);
    this.#provider.putConfiguration(Object.fromEntries(flags));
  }

  /**
   * Evaluate a flag for a request; its error events carry the result from now on.
   *
   * @param {string} flag
   * @param {string} key
   * @returns {Promise<boolean>}
   */
  isOn(flag, key) {
    return this.#client.getBooleanValue(flag, false, { targetingKey: key });
  }
}

/** @param {import('./order').Order} order */
function booleanFlag({ seed, flag, share }) {
  return {
    variants: { on: true, off: false },
    defaultVariant: 'off',
    disabled: false,
    contextEvaluator: ({ targetingKey }) => (isHit(seed, flag, targetingKey, share) ? 'on' : 'off'),
  };
}

module.exports = { Flags };
