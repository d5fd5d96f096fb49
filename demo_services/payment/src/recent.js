'use strict';

/**
 * A map that drops the least recently set entry.
 *
 * @template K, V
 */
class Recent {
  /** @type {Map<K, V>} */
  #entries = new Map();
  #most;

  /** @param {number} most entries that it holds */
  constructor(most) {
    this.#most = most;
  }

  /**
   * @param {K} key
   * @returns {V | undefined}
   */
  get(key) {
    return this.#entries.get(key);
  }

  /**
   * @param {K} key
   * @param {V} value
   */
  set(key, value) {
    // A Map keeps insertion order: deleting and adding the key again makes it the newest.
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#most) this.#entries.delete(this.#entries.keys().next().value);
  }
}

module.exports = { Recent };
