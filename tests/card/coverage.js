'use strict';

// Writes what ran since the last time to the folder in NODE_V8_COVERAGE, whenever a line comes in.
const { takeCoverage } = require('node:v8');

process.stdin.on('data', () => {
  takeCoverage();
  process.stdout.write('{"type":"coverage"}\n');
});
