'use strict';

const { performance } = require('node:perf_hooks');

const { name } = require('../../package.json');
const { traceOfRequest } = require('../trace');
const { outOfBounds } = require('./order');

const KEPT_HITS = 2000;
const KEPT_ENDED = 20;

/** A fault while it is on, and its record afterwards. */
class Lease {
  endedAt = null;
  endedBy = null;
  evaluated = 0;
  hit = 0;
  /** @type {Set<string>} */
  hits = new Set();

  /** @param {import('./order').Order} order */
  constructor(order) {
    this.order = order;
    this.beganAt = Date.now() / 1000;
    this.began = performance.now();
  }

  /** How long it stays on, in milliseconds; below 0 when its time is up. */
  get leftMs() {
    return this.began + this.order.seconds * 1000 - performance.now();
  }

  /**
   * Count a request.
   *
   * @param {string} key
   * @param {boolean} isHit
   */
  count(key, isHit) {
    this.evaluated += 1;
    if (!isHit) return;
    this.hit += 1;
    this.hits.add(key);
    if (this.hits.size > KEPT_HITS) this.hits.delete(this.hits.values().next().value);
  }

  /** Its state for a response; times in seconds since the epoch. */
  state() {
    const { fault, flag, share, seconds, seed } = this.order;
    return {
      fault,
      flag,
      share,
      seed,
      began_at: this.beganAt,
      until: this.beganAt + seconds,
      ended_at: this.endedAt,
      ended_by: this.endedBy,
      evaluated: this.evaluated,
      hit: this.hit,
      hits: [...this.hits],
    };
  }
}

/**
 * All faults of this service. At first none is on, and nothing is evaluated.
 *
 * Each has a lease: the service itself ends it in time, whatever happens to the notebook.
 */
class Faults {
  /** @type {Map<string, Lease>} */
  #leases = new Map();
  /** @type {Lease[]} */
  #ended = [];
  /** @type {Promise<import('./flags').Flags> | undefined} */
  #starting;

  /** Whether there is nothing to evaluate. */
  get isOff() {
    return this.#leases.size === 0;
  }

  /**
   * Decide which faults hit the current request.
   *
   * @param {string[]} [faults] those of this route; all by default
   * @returns {Promise<Set<string>>}
   */
  async evaluate(faults) {
    this.#endLate();
    const hits = new Set();
    const key = traceOfRequest().trace_id;
    if (key === undefined) return hits;
    const flags = await this.#starting;
    for (const [fault, lease] of [...this.#leases]) {
      if (faults && !faults.includes(fault)) continue;
      const isHit = await flags.isOn(lease.order.flag, key);
      lease.count(key, isHit);
      if (isHit) hits.add(fault);
    }
    return hits;
  }

  /**
   * Turn a fault on, replacing the same one if it is on.
   *
   * @param {import('./order').Order} order
   * @throws {import('../refused').Refused} 422 when another fault has the flag
   */
  async begin(order) {
    this.#starting ??= require('./flags').Flags.start();
    const flags = await this.#starting;
    this.#endLate();
    const others = [...this.#leases.values()].filter((each) => each.order.fault !== order.fault);
    if (others.some((each) => each.order.flag === order.flag)) {
      throw outOfBounds(`flag '${order.flag}' is that of another fault which is on.`);
    }
    this.#end(this.#leases.get(order.fault), 'replaced');
    const lease = new Lease(order);
    this.#leases.set(order.fault, lease);
    setTimeout(() => this.#end(lease, 'lease'), lease.leftMs).unref();
    flags.use([...this.#leases.values()].map((each) => each.order));
    return lease.state();
  }

  /**
   * Turn a fault off, or all.
   *
   * @param {string} [fault]
   */
  clear(fault) {
    this.#endLate();
    const cleared = [...this.#leases.values()].filter(
      (each) => fault === undefined || each.order.fault === fault,
    );
    for (const lease of cleared) this.#end(lease, 'cleared');
    return cleared.map((lease) => lease.state());
  }

  /** The faults that are on, and the latest ended ones. */
  states() {
    this.#endLate();
    return {
      service: name,
      faults: [...this.#leases.values()].map((lease) => lease.state()),
      ended: this.#ended.map((lease) => lease.state()),
    };
  }

  /** End expired faults. A timer does so, too, but not while the event loop is blocked. */
  #endLate() {
    for (const lease of [...this.#leases.values()]) {
      if (lease.leftMs <= 0) this.#end(lease, 'lease');
    }
  }

  /**
   * End a fault; an ended one stays as it is.
   *
   * @param {Lease | undefined} lease
   * @param {'lease' | 'cleared' | 'replaced'} by
   */
  #end(lease, by) {
    if (lease === undefined || this.#leases.get(lease.order.fault) !== lease) return;
    this.#leases.delete(lease.order.fault);
    lease.endedAt = Date.now() / 1000;
    lease.endedBy = by;
    this.#ended.push(lease);
    if (this.#ended.length > KEPT_ENDED) this.#ended.shift();
  }
}

module.exports = { Faults };
