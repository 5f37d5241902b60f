// Judges action and workflow files by their schemas: file names in, one JSON object {file: [errors]} out as the last line.
// Knows the engine of action-validator; does not know what the files say.
import {readFileSync} from 'node:fs';
import {validateAction, validateWorkflow} from '@action-validator/core';

const judged = process.argv.slice(2).map((file) => {
  const text = readFileSync(file, 'utf8');
  const {errors} = file.endsWith('action.yml') ? validateAction(text) : validateWorkflow(text);
  return [file, errors];
});
console.log(JSON.stringify(Object.fromEntries(judged)));
