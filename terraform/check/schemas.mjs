// Makes the schema of one provider from the npm package with its bindings for CDK for Terraform, which is made from the
// provider's own schema. Only of those resources and data sources that are named.
// Usage: node schemas.mjs PACKAGE-FOLDER PROVIDER TYPE... >schema.json     TYPE: resource.aws_s3_bucket, data.aws_vpc
import {existsSync, readFileSync} from 'node:fs';

const [folder, provider, ...types] = process.argv.slice(2);
// The bindings do not say what is secret; these are, and Terraform then asks for `sensitive` where they go.
const SENSITIVE = new Set(['random_password.result', 'aws_iam_access_key.secret', 'aws_db_instance.password', 'kubernetes_secret_v1.data']);

const SIMPLE = {
  string: 'string', number: 'number', boolean: 'bool', any: 'dynamic', stringList: ['list', 'string'], numberList: ['list', 'number'],
  stringMap: ['map', 'string'], numberMap: ['map', 'number'], booleanMap: ['map', 'bool'], anyMap: ['map', 'dynamic'],
  stringMapList: ['list', ['map', 'string']], booleanList: ['list', 'bool'],
};
const GETTERS = {String: 'string', Number: 'number', Boolean: 'bool', List: ['list', 'string'], NumberList: ['list', 'number'],
  StringMap: ['map', 'string'], NumberMap: ['map', 'number'], BooleanMap: ['map', 'bool'], AnyMap: ['map', 'dynamic']};

const lowerFirst = (name) => name[0].toLowerCase() + name.slice(1);
const fail = (what) => { throw new Error(what); };

class Bindings {
  constructor(path) {
    if (!existsSync(`${path}/index.js`)) fail(`the provider ${provider} has nothing in ${path}`);
    this.code = readFileSync(`${path}/index.js`, 'utf8');
    this.declarations = readFileSync(`${path}/index.d.ts`, 'utf8');
    this.classes = new Map([...this.code.matchAll(/^class (\w+) extends cdktf\.(\w+) \{\n([\s\S]*?)^\}/gm)].map((m) => [m[1], {base: m[2], body: m[3]}]));
  }

  // What may be written: by the function that writes a nested object, or by the class of the resource.
  written(name, text) {
    const found = new Map();
    const item = /^ {12}(\w+): \{\n\s+value: (.*),\n\s+isBlock: (true|false),\n\s+type: "(\w+)",\n\s+storageClassType: "(\w+)",/gm;
    const flat = /^ {8}(\w+): \{\n\s+value: (.*),\n\s+isBlock: (true|false),\n\s+type: "(\w+)",\n\s+storageClassType: "(\w+)",/gm;
    const members = this.members(name);
    for (const m of [...text.matchAll(item), ...text.matchAll(flat)]) {
      const [, terraform, value, complex, kind, storage] = m;
      const property = value.match(/(?:this\._|struct\.)(\w+)/)[1];
      const member = members.get(property) ?? fail(`${name} has no member ${property}`);
      found.set(terraform, {value, complex: complex === 'true', kind, storage, ...member});
    }
    return found;
  }

  members(name) {
    const text = this.declarations.match(new RegExp(`^export interface ${name}(?: extends [\\w.]+)? \\{\\n([\\s\\S]*?)^\\}`, 'm'))?.[1] ?? '';
    const members = new Map();
    for (const m of text.matchAll(/\/\*\*([\s\S]*?)\*\/\s+readonly (\w+)(\??):/g)) {
      members.set(m[2], {required: m[3] === '', block: /^\s*\* \w+ block$/m.test(m[1])});
    }
    return members;
  }

  // What may be read: the getters of a class.
  read(name) {
    const {body} = this.classes.get(name) ?? fail(`no class ${name}`);
    const found = new Map();
    for (const m of body.matchAll(/return (cdktf\.Fn\.tolist\()?this\.get(\w+)Attribute\('(\w+)'\)/g)) {
      if (m[3] === 'tf_id') continue;
      let type = GETTERS[m[2]] ?? fail(`${name}: a getter of ${m[2]}`);
      if (m[1]) type = ['set', type[1]];
      found.set(m[3], type);
    }
    for (const m of body.matchAll(/this\._\w+ = new (\w+)\(this, "(\w+)"(?:, (true|false))?\)/g)) {
      found.set(m[2], this.readComplex(m[1], m[3] === 'true'));
    }
    return found;
  }

  readComplex(name, set) {
    const {base, body} = this.classes.get(name) ?? (name.startsWith('cdktf') ? fail(name) : {base: name, body: ''});
    const element = (of) => ['object', Object.fromEntries(this.read(of))];
    if (base === 'ComplexObject') return element(name);
    const inner = body.match(/return new (\w+)\(/)?.[1];
    const wrap = base === 'ComplexMap' ? 'map' : set ? 'set' : 'list';
    return inner ? [wrap, element(inner)] : [wrap, ['map', 'string']];
  }

  nested(storage) {
    const name = storage.replace(/(List|Map)$/, '');
    const found = (n) => this.code.match(new RegExp(`^function ${lowerFirst(n)}ToHclTerraform\\(struct\\) \\{\\n([\\s\\S]*?)^\\}`, 'm'))?.[1];
    const text = found(name) ?? found(storage) ?? fail(`no function for ${storage}`);
    const of = found(name) ? name : storage;
    return this.block(this.written(of, text), this.classes.has(`${of}OutputReference`) ? this.read(`${of}OutputReference`) : new Map(), false);
  }

  block(written, read, isRoot, type = '') {
    const made = {attributes: {}, blocks: {}};
    for (const [name, w] of written) {
      const isAttributes = /listMapperHcl\(\w+, false\)/.test(w.value);
      if (!w.complex && SIMPLE[w.storage]) {
        let kind = SIMPLE[w.storage];
        if (w.kind === 'set') kind = ['set', kind[1]];
        made.attributes[name] = {type: kind, required: w.required, optional: !w.required, computed: !w.required && isRoot};
      } else if (w.complex && (w.block || /listMapperHcl\(\w+, true\)/.test(w.value)) && !isAttributes) {
        made.blocks[name] = {nesting: w.kind === 'struct' ? 'single' : w.kind, block: this.nested(w.storage)};
      } else {
        const inner = this.nested(w.storage);
        made.attributes[name] = {nesting: w.kind === 'struct' ? 'single' : w.kind, attributes: inner.attributes, required: w.required, optional: !w.required};
      }
    }
    for (const [name, kind] of read) {
      if (!made.attributes[name] && !made.blocks[name]) made.attributes[name] = {type: kind, computed: true};
    }
    for (const name of Object.keys(made.attributes)) {
      if (SENSITIVE.has(`${type}.${name}`)) made.attributes[name].sensitive = true;
    }
    return made;
  }

  root(base, type = '') {
    const [name, {body}] = [...this.classes].find(([, c]) => c.base === base) ?? fail(`no ${base}`);
    const text = body.match(/synthesizeHclAttributes\(\) \{\n([\s\S]*?)^ {4}\}/m)[1];
    return this.block(this.written(`${name}Config`, text), base === 'TerraformProvider' ? new Map() : this.read(name), base !== 'TerraformProvider', type);
  }
}

const made = {source: `registry.terraform.io/hashicorp/${provider}`, resources: {}, data: {}};
made.provider = new Bindings(`${folder}/lib/provider`).root('TerraformProvider');
for (const one of types) {
  const [kind, type] = one.split('.');
  const path = type.slice(provider.length + 1).replaceAll('_', '-');
  const [into, base, prefix] = kind === 'data' ? ['data', 'TerraformDataSource', `data-${provider}-`] : ['resources', 'TerraformResource', ''];
  made[into][type] = new Bindings(`${folder}/lib/${prefix}${path}`).root(base, type);
}
console.log(JSON.stringify(made, null, 1));
