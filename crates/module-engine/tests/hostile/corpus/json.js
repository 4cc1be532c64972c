// JSON in both directions, and results that are built to hurt whoever writes them down.

//# parse a million brackets => stack
return JSON.parse('['.repeat(1e6))
//# parse a million braces => stack
return JSON.parse('{"a":'.repeat(1e6))
//# parse a long list of lists => memory
return JSON.parse('[' + '[],'.repeat(5e6) + '1]').length
//# parse one long text, escaped => memory
return JSON.parse('"' + '\\u0041'.repeat(5e6) + '"').length
//# a reviver that loops => wall
return JSON.parse('[1]', () => { for (;;); })
//# a reviver that grows what is revived => gives [1,[1]]
return JSON.parse('[1]', function (key, value) { this.push?.([1]); this.more = {more: 1}; return value })
//# stringify what is nested too deeply => stack
let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; return JSON.stringify(deep)
//# stringify a circle => throws TypeError: circular reference
const a = []; a.push(a); return JSON.stringify(a)
//# return a circle => throws TypeError: circular reference
const a = {}; a.a = a; return a
//# a replacer that loops => wall
return JSON.stringify([1], () => { for (;;); })
//# a replacer that goes deeper for ever => stack
return JSON.stringify([1], (key, value) => [value])
//# a replacer list that never ends => wall
return JSON.stringify({}, new Proxy([], {get: (target, key) => key === 'length' ? 2 ** 53 - 1 : '' + Number(key)}))
//# toJSON that loops => wall
return {toJSON() { for (;;); }}
//# toJSON that goes deeper for ever => stack
return {toJSON() { return [this] }}
//# toJSON that throws => throws RangeError: no
return {toJSON() { throw new RangeError('no') }}
//# toJSON that answers with a function => gives null
return {toJSON: () => () => 1}
//# toJSON that answers with a BigInt => throws TypeError: BigInt are forbidden in JSON.stringify
return {toJSON: () => 1n}
//# toJSON of a number is asked once => gives 1
let asked = 0; return {toJSON() { return ++asked }}
//# a getter that loops => wall
return {get a() { for (;;); }}
//# a getter that grows the object => gives {"a":1}
return {get a() { this.b = 2; return 1 }}
//# many keys => result-bytes
return Object.fromEntries(Array(1e5).fill(0).map((_, i) => ['k' + i, i]))
//# exponential through shared parts => wall
let a = ['x']; for (let i = 0; i < 40; i++) a = [a, a]; return a
//# nesting one over the limit => nesting
let v = 1; for (let i = 0; i < 33; i++) v = [v]; return v
//# nesting at the limit => gives 32
let v = 1; for (let i = 0; i < 32; i++) v = [v]; return JSON.stringify(v).lastIndexOf('[') + 1
//# a text that only looks nested => gives "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
return '['.repeat(40)
//# indentation that multiplies => memory
let deep = []; for (let i = 0; i < 3000; i++) deep = [deep, deep.length]; return JSON.stringify(deep, null, '          ').length > 1e8
//# __proto__ in a text is a name like any other => gives [["__proto__"],null]
const parsed = JSON.parse('{"__proto__": {"polluted": true}}'); return [Object.keys(parsed), parsed.polluted === true ? 1 : ({}).polluted]
//# lone surrogates stay text => gives "\ud83d\ude00"
return '\ud83d' + '\ude00'
//# half a surrogate pair does not cost the answer => gives ["\ufffd","a\ufffd"]
return ['\ud83d', 'a\ude00']
//# half a surrogate pair as a key => gives {"\ufffd":1}
return {'\udfff': 1}
//# half a surrogate pair costs no other row its answer => gives ["\ufffd","\ufffd"]
//+ rows 2
return '\ud800'
//# half a surrogate pair is thrown => throws Error: �
throw new Error('\ud800')
//# not a number => gives null
return NaN
//# a date that is none => gives null
return new Date(NaN)
//# an array with own properties => gives [1]
const a = [1]; a.toString = () => { for (;;); }; a.x = 1; return a
//# boxed values => gives [1,"a",true]
return [new Number(1), new String('a'), new Boolean(true)]
//# a boxed value whose valueOf loops is not asked => gives [1]
const n = new Number(1); n.valueOf = () => { for (;;); }; return [n]
//# a boxed text whose toString loops is not asked => gives ["a"]
const s = new String('a'); s.toString = () => { for (;;); }; return [s]
