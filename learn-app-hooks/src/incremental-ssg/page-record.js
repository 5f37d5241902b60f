/**
 * A remembered page as one block of bytes: a line of JSON, then the HTML as it was written.
 *
 * Every page names the entry files of the site (runtime, main script, styles) with a content hash that changes with
 * each edit. A record holds where in the HTML they stand, so that the names of today can be put there.
 *
 * Knows bytes; does not know where they are kept.
 */
import {isDeepStrictEqual} from 'node:util';

const NEWLINE = 10;

/**
 * Where the entry files stand in a page.
 *
 * @param {Buffer} html
 * @param {string[]} assets names of the entry files
 * @returns {[number, number, number][] | undefined} offset, length and index of the asset, by offset; undefined unless
 *   each stands there exactly once, because then a name could also be part of what the page says
 */
export function slotsOf(html, assets) {
  const slots = [];
  for (const [index, asset] of assets.entries()) {
    const offset = html.indexOf(asset);
    if (offset < 0 || html.indexOf(asset, offset + 1) >= 0) {
      return undefined;
    }
    slots.push([offset, Buffer.byteLength(asset), index]);
  }
  return slots.sort((a, b) => a[0] - b[0]);
}

/**
 * Whether a page's collected data is what JSON made of it. The code of a site may run in a context of its own, whose
 * arrays are not those of this one, so a clone is compared.
 */
export function sameData(plain, collectedData) {
  try {
    return isDeepStrictEqual(plain, structuredClone(collectedData));
  } catch {
    return false; // it holds a function
  }
}

/**
 * The bytes of a record.
 *
 * @returns {Buffer | undefined} undefined for a page that cannot be remembered faithfully
 */
export function encodeRecord({pathname, html, assets, collectedData}) {
  const slots = slotsOf(html, assets);
  const head = JSON.stringify({pathname, slots, collectedData});
  if (slots === undefined || !sameData(JSON.parse(head).collectedData, collectedData)) {
    return undefined;
  }
  return Buffer.concat([Buffer.from(`${head}\n`), html]);
}

/**
 * A page again, with the names of today.
 *
 * @param {Buffer} bytes as `encodeRecord` made them
 * @param {string[]} assets the entry files, in the order in which they were remembered
 * @returns {{html: Buffer, collectedData: object}}
 */
export function decodeRecord(bytes, assets) {
  const end = bytes.indexOf(NEWLINE);
  const {slots, collectedData} = JSON.parse(bytes.toString('utf8', 0, end));
  const html = bytes.subarray(end + 1);
  const parts = [];
  let from = 0;
  for (const [offset, length, index] of slots) {
    parts.push(html.subarray(from, offset), Buffer.from(assets[index]));
    from = offset + length;
  }
  return {html: Buffer.concat([...parts, html.subarray(from)]), collectedData};
}
