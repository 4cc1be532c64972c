// Writes the tables of inputs and outputs into each README.md from variables.tf and outputs.tf.
// Usage: node terraform/check/documentation.mjs [--check] FOLDER...     --check: only compares, and fails when something differs
import {readFileSync, writeFileSync} from 'node:fs';

const [check, folders] = process.argv[2] === '--check' ? [true, process.argv.slice(3)] : [false, process.argv.slice(2)];
const BEGIN = '<!-- made by terraform/check/documentation.mjs -->';

const blocks = (text, kind) => [...text.matchAll(new RegExp(`^${kind} "(\\w+)" \\{\\n([\\s\\S]*?)^\\}`, 'gm'))].map(([, name, body]) => ({
  name, body, description: body.match(/^ {2}description = "(.*)"$/m)?.[1].replaceAll('\\"', '"') ?? fail(`${name} has no description`),
}));
const fail = (what) => { throw new Error(what); };
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

for (const folder of folders) {
  const inputs = blocks(readFileSync(`${folder}/variables.tf`, 'utf8'), 'variable').map(({name, body, description}) => {
    const given = body.match(/^ {2}default\s+= (.*)$/m)?.[1];
    const secret = /^ {2}sensitive\s+= true$/m.test(body) ? ' Secret.' : '';
    return `| \`${name}\` | ${cell(description)}${secret} | ${given === undefined ? 'required' : `\`${given}\``} |`;
  });
  const outputs = blocks(readFileSync(`${folder}/outputs.tf`, 'utf8'), 'output').map(({name, body, description}) =>
    `| \`${name}\` | ${cell(description)}${/^ {2}sensitive\s+= true$/m.test(body) ? ' Secret.' : ''} |`);
  const tables = [BEGIN, '', '| input | what | default |', '| --- | --- | --- |', ...inputs, '', '| output | what |', '| --- | --- |', ...outputs, ''].join('\n');
  const path = `${folder}/README.md`;
  const old = readFileSync(path, 'utf8');
  const head = old.includes(BEGIN) ? old.slice(0, old.indexOf(BEGIN)) : `${old.trimEnd()}\n\n`;
  if (head + tables === old) continue;
  if (check) fail(`${path} is not up to date: node terraform/check/documentation.mjs ${folder}`);
  writeFileSync(path, head + tables);
}
