'use strict';

const { monitorEventLoopDelay, performance } = require('node:perf_hooks');
const v8 = require('node:v8');

const RESOLUTION_MS = 10;
const MB = 2 ** 20;

/** Reads the state of this process: the `process` context. */
class ProcessGauge {
  #delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #utilization = performance.eventLoopUtilization();

  constructor() {
    this.#delays.enable();
  }

  /**
   * Return memory (MiB), CPU time (s), uptime (s), and since the last reading the longest delay of
   * the event loop (ms) and the share of time that it was busy (0 to 1).
   */
  read() {
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    return {
      rss_mb: round(rss / MB),
      heap_used_mb: round(heapUsed / MB),
      heap_total_mb: round(heapTotal / MB),
      heap_limit_mb: round(v8.getHeapStatistics().heap_size_limit / MB),
      external_mb: round(external / MB),
      cpu_s: round((user + system) / 1e6),
      event_loop_lag_ms: this.#lag(),
      event_loop_utilization: this.#busy(),
      uptime_s: round(process.uptime()),
    };
  }

  #lag() {
    const longest = this.#delays.max / 1e6;
    this.#delays.reset();
    // It measures the time between two turns of the loop, which are this far apart when idle.
    return round(Math.max(0, longest - RESOLUTION_MS));
  }

  #busy() {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
    this.#utilization = now;
    return Math.round(utilization * 1000) / 1000;
  }
}

/** @param {number} number */
function round(number) {
  return Math.round(number * 10) / 10;
}

module.exports = { ProcessGauge };
