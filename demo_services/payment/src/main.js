'use strict';

const { instrument } = require('./instrument');
const { readSettings } = require('./settings');

const settings = readSettings(process.env);
// Before anything it should instrument: the SDK rewrites modules while they load.
const instrumented = instrument(settings);

const { createServer } = require('node:http');

const { announce, announceRequest } = require('./announce');
const { makeApp } = require('./app');
const { end } = require('./end');

const server = createServer(makeApp(settings));
server.prependListener('request', announceRequest);

server.once('error', (error) => {
  console.error(`payment cannot listen on 127.0.0.1:${settings.port}: ${error.message}`);
  process.exit(1);
});

server.listen(settings.port, '127.0.0.1', async () => {
  await instrumented;
  announce('ready', { port: server.address().port, pid: process.pid, node: process.version });
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    server.close();
    end(0);
  });
}
