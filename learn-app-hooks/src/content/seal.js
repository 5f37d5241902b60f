/**
 * JSON documents whose last key is the SHA-256 of every byte before it, as the builder writes them.
 *
 * PURE: bytes in, values out. The seal shows accidents, not attackers.
 */

import {createHash} from 'node:crypto';

const SEAL = /,\s*"checksum":\s*"([0-9a-f]{64})"\s*\}\s*$/;
const LONGEST_SEAL = 200;

/**
 * The document, or why it cannot be used.
 * @param {Buffer} bytes
 * @returns {{document: Record<string, any>} | {why: string}}
 */
export function unseal(bytes) {
  const start = Math.max(0, bytes.length - LONGEST_SEAL);
  const found = SEAL.exec(bytes.toString('latin1', start));
  if (found === null) {
    return {why: bytes.length === 0 ? 'is empty' : 'does not end in its checksum'};
  }
  const digest = createHash('sha256').update(bytes.subarray(0, start + found.index)).digest('hex');
  if (digest !== found[1]) {
    return {why: 'does not match its checksum'};
  }
  try {
    const document = JSON.parse(bytes.toString('utf8'));
    return typeof document === 'object' && document !== null ? {document} : {why: 'is not an object'};
  } catch {
    return {why: 'is not JSON'};
  }
}
