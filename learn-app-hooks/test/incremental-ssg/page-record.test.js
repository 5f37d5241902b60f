import assert from 'node:assert/strict';
import vm from 'node:vm';
import test from 'node:test';

import {decodeRecord, encodeRecord, slotsOf} from '../../src/incremental-ssg/page-record.js';

const ASSETS = ['assets/css/styles.11111111.css', 'assets/js/main.22222222.js'];
const html = (assets) => Buffer.from(`<script src=/${assets[1]}></script>é\n<link href=/${assets[0]}>`);
const data = {links: ['/a'], anchors: [], metadata: {public: {noIndex: false}, helmet: null}};
const encode = (more = {}) => encodeRecord({pathname: '/a', html: html(ASSETS), assets: ASSETS, collectedData: data, ...more});

test('a page comes back byte for byte, with the names of today', () => {
  const today = ['assets/css/styles.99999999.css', 'assets/js/main.longer.88888888.js'];
  assert.deepEqual(decodeRecord(encode(), ASSETS), {html: html(ASSETS), collectedData: data});
  assert.deepEqual(decodeRecord(encode(), today).html, html(today));
});

test('bytes that are no text come back', () => {
  const odd = Buffer.concat([html(ASSETS), Buffer.from([0xff, 0x0a, 0x00])]);
  assert.deepEqual(decodeRecord(encode({html: odd}), ASSETS).html, odd);
});

test('a page that says the name of an entry file itself is not remembered', () => {
  const twice = Buffer.concat([html(ASSETS), Buffer.from(ASSETS[0])]);
  assert.equal(slotsOf(twice, ASSETS), undefined);
  assert.equal(encode({html: twice}), undefined);
  assert.equal(encode({html: Buffer.from('none')}), undefined);
});

test('collected data that JSON cannot hold is not remembered', () => {
  for (const value of [() => {}, new Map([[1, 2]]), undefined, NaN, new Date()]) {
    assert.equal(encode({collectedData: {...data, value}}), undefined);
  }
});

test('collected data of another context is remembered', () => {
  const foreign = vm.runInNewContext('({links: ["/a"], anchors: []})');
  assert.deepEqual(decodeRecord(encode({collectedData: foreign}), ASSETS).collectedData, {links: ['/a'], anchors: []});
});
