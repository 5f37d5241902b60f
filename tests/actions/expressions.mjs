// Evaluates expressions with GitHub's own engine: JSON lines [expression, contexts] in, JSON lines {value} or {error} out.
// Knows that engine; does not know what the tests expect of it.
import {createInterface} from 'node:readline';
import {Evaluator, Lexer, Parser, data} from '@actions/expressions';

const asData = (value) => {
  if (value === null) return new data.Null();
  if (typeof value === 'boolean') return new data.BooleanData(value);
  if (typeof value === 'number') return new data.NumberData(value);
  if (typeof value === 'string') return new data.StringData(value);
  if (Array.isArray(value)) return new data.Array(...value.map(asData));
  return new data.Dictionary(...Object.entries(value).map(([key, one]) => ({key, value: asData(one)})));
};

const plain = (found) => {
  switch (found.kind) {
    case data.Kind.Null: return null;
    case data.Kind.Array: return found.values().map(plain);
    case data.Kind.Dictionary: return Object.fromEntries(found.pairs().map(({key, value}) => [key, plain(value)]));
    case data.Kind.Number: return Number.isFinite(found.value) ? found.value : {number: String(found.value)};
    default: return found.value;
  }
};

for await (const line of createInterface({input: process.stdin})) {
  const [text, contexts] = JSON.parse(line);
  let said;
  try {
    const tree = new Parser(new Lexer(text).lex().tokens, Object.keys(contexts), []).parse();
    said = {value: plain(new Evaluator(tree, asData(contexts)).evaluate())};
  } catch (error) {
    said = {error: String(error.message)};
  }
  console.log(JSON.stringify(said));
}
