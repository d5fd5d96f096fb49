// Loaded first, it leaves the payment service with the SDK's default options, locals switched on.
'use strict';

const Module = require('node:module');

const load = Module._load;

Module._load = function (request, parent, isMain) {
  const loaded = load(request, parent, isMain);
  if (request !== '@sentry/node' || !parent.filename.endsWith('instrument.js')) return loaded;
  return { ...loaded, init: (options) => withoutHooks(loaded.init(defaults(options))) };
};

function defaults({ release, environment, serverName, integrations }) {
  const tracesSampleRate = 1;
  const includeLocalVariables = true;
  return { release, environment, serverName, integrations, tracesSampleRate, includeLocalVariables };
}

function withoutHooks(client) {
  const on = client.on.bind(client);
  client.on = (hook, listener) => hook !== 'beforeEnvelope' && on(hook, listener);
  return client;
}
