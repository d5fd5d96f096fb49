'use strict';

const declared = require('../secrets.json');

const FILTERED = '[Filtered]';
const NAMES = declared.names.map((name) => name.replace('.', '\\.')).join('|');
const NAME = new RegExp(NAMES, 'i');
// Shapes first: one may be a whole line, of which a name would only remove the first word.
const TEXTS = [
  ...declared.shapes.map(([, shape]) => new RegExp(shape, 'gi')),
  new RegExp(
    declared.named.replace('NAMES', () => NAMES),
    'gi',
  ),
];
const CARD = new RegExp(declared.card, 'g');
// Our own source lines and the SDK's remarks: no user data.
const CODE = new Set(declared.code);

/**
 * Remove the secrets from everything that is about to be sent to Sentry: events, spans and more.
 *
 * @param {[object, [object, unknown][]]} envelope its headers, and its items, each with headers
 */
function redactEnvelope(envelope) {
  const [headers, items] = envelope;
  envelope[0] = redact(headers);
  for (const item of items) item[1] = redact(item[1]);
}

/**
 * Return JSON data with `[Filtered]` for each secret in it.
 *
 * @param {unknown} value
 */
function redact(value) {
  if (typeof value === 'string') return redactText(value);
  if (Array.isArray(value)) return redactList(value);
  if (value instanceof Uint8Array) return value;
  if (value instanceof Object) {
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [key, redactMember(key, member)]),
    );
  }
  // A card's number may be a number.
  return Number.isInteger(value) && redactText(String(value)) === FILTERED ? FILTERED : value;
}

/**
 * Return a text without parts that look like a secret or follow the name of one.
 *
 * @param {string} text
 */
function redactText(text) {
  const named = TEXTS.reduce((rest, pattern) => rest.replace(pattern, `$1${FILTERED}`), text);
  return named.replace(CARD, (digits) => (isCard(digits.replace(/\D/g, '')) ? FILTERED : digits));
}

/**
 * @param {string} key
 * @param {unknown} value
 */
function redactMember(key, value) {
  if (CODE.has(key)) return value;
  // Its presence or absence is not a secret.
  if (value === null || value === undefined || typeof value === 'boolean') return value;
  return NAME.test(key) ? FILTERED : redact(value);
}

/** @param {unknown[]} values */
function redactList(values) {
  const [name] = values;
  // A header, as servers hold it: a name and a value.
  if (values.length === 2 && typeof name === 'string' && NAME.test(name)) return [name, FILTERED];
  return values.map(redact);
}

/**
 * Return whether the last digit is the check digit of the others (ISO/IEC 7812-1, Luhn).
 *
 * @param {string} digits
 */
function isCard(digits) {
  const sum = Array.from(digits)
    .reverse()
    .map((digit, place) => Number(digit) * (1 + (place % 2)))
    .reduce((total, number) => total + (number > 9 ? number - 9 : number), 0);
  return sum % 10 === 0;
}

module.exports = { redact, redactEnvelope };
