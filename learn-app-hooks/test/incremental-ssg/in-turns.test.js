import assert from 'node:assert/strict';
import {test} from 'node:test';
import {setImmediate as turn} from 'node:timers/promises';
import {inTurns} from '../../src/incremental-ssg/in-turns.js';

test('answers stand in the order of the items, and 16 jobs at most are under way', async () => {
  let underWay = 0;
  let most = 0;
  const items = Array.from({length: 40}, (_, at) => at);
  const answers = await inTurns(items, async (at) => {
    most = Math.max(most, (underWay += 1));
    await turn();
    underWay -= 1;
    return at * 2;
  });
  assert.deepEqual(answers, items.map((at) => at * 2));
  assert.equal(most, 16);
  assert.deepEqual(await inTurns([], assert.fail), []);
});

test('after a job that failed none is begun', async () => {
  const begun = [];
  const done = inTurns(Array.from({length: 40}, (_, at) => at), async (at) => {
    begun.push(at);
    await turn();
    if (at === 3) {
      throw new Error('three');
    }
  });
  await assert.rejects(done, /three/);
  for (let turns = 0; turns < 10; turns += 1) {
    await turn();
  }
  assert.ok(begun.length < 22, `${begun.length} were begun`);
});
