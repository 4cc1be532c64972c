// Objects that answer with code: getters, proxies, conversions, iterators.

//# ownKeys that loops => wall
return new Proxy({}, {ownKeys() { for (;;); }})
//# ownKeys with a list that never ends => throws TypeError: proxy: properties must be strings or symbols
return Object.keys(new Proxy({}, {ownKeys: () => ({length: 2 ** 32 - 1})}))
//# ownKeys with a hundred thousand names and a descriptor that loops => wall
return {...new Proxy({}, {ownKeys: () => Array.from({length: 1e5}, (_, i) => '' + i), getOwnPropertyDescriptor() { for (;;); }})}
//# getPrototypeOf that loops, met by instanceof => wall
return new Proxy({}, {getPrototypeOf() { for (;;); }})
//# getPrototypeOf that answers with another proxy for ever => wall
const next = () => new Proxy({}, {getPrototypeOf: next}); return next() instanceof Map
//# get that goes on => stack
const p = new Proxy({}, {get(target, key, receiver) { return receiver[key] }}); return p.x
//# a chain of a hundred thousand proxies => stack
let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x
//# a chain of a hundred thousand prototypes => gives null
let o = {}; for (let i = 0; i < 1e5; i++) o = Object.create(o); return o.x
//# reads along that chain for ever => wall
let o = {}; for (let i = 0; i < 1e5; i++) o = Object.create(o); for (;;) o.x
//# a prototype that is a proxy on itself => stack
const o = {}; const p = new Proxy(o, {}); Object.setPrototypeOf(o, p); return o.missing
//# a circle of prototypes => throws TypeError: circular prototype chain
const a = {}, b = Object.create(a); Object.setPrototypeOf(a, b)
//# a revoked proxy as the result => throws TypeError: revoked proxy
const {proxy, revoke} = Proxy.revocable({}, {}); revoke(); return proxy
//# a revoked proxy thrown => throws threw an error that cannot be shown
const {proxy, revoke} = Proxy.revocable({}, {}); revoke(); throw proxy
//# a function behind a proxy as the result => throws TypeError: the lambda returned a function; return a text, a number or an object
return new Proxy(() => 1, {apply() { for (;;); }})
//# an array behind a proxy as the result => gives [1,2]
return new Proxy([1, 2], {})
//# an array behind a proxy that lies about its length => wall
return new Proxy([], {get: (target, key) => key === 'length' ? 1e9 : 0})
//# toString of what is thrown loops => wall
throw {toString() { for (;;); }, toJSON() { for (;;); }}
//# name of what is thrown loops => wall
const e = new Error('x'); Object.defineProperty(e, 'name', {get() { for (;;); }}); throw e
//# message of what is thrown loops => wall
const e = new Error('x'); Object.defineProperty(e, 'message', {get() { for (;;); }}); throw e
//# stack of what is thrown loops => wall
const e = new Error('x'); Object.defineProperty(e, 'stack', {get() { for (;;); }}); throw e
//# message of what is thrown throws => throws threw an error that cannot be shown
const e = new Error('x'); Object.defineProperty(e, 'message', {get() { throw e }}); throw e
//# the stack of what is thrown is a book => throws Error: x
const e = new Error('x'); e.stack = 'at lambda/0:1:1\n'.repeat(1e5); throw e
//# the stack of what is thrown points at lambdas that are not there => throws Error: x
const e = new Error('x'); e.stack = '    at f (lambda/4294967295:4294967295:4294967295)\n at g (lambda/0:0:0)\n at h (lambda/0:-1:x)'; throw e
//# the message of what is thrown is a library => memory
throw new Error('x'.repeat(1e7))
//# the message of what is thrown is a book => throws Error: xxxxxxxx
throw new Error('x'.repeat(1e6))
//# a causes chain without end => throws Error: x
const e = new Error('x'); e.cause = e; throw e
//# an aggregate of a million errors => throws AggregateError: many
throw new AggregateError(Array(1e5).fill(new Error('x')), 'many')
//# valueOf that loops => wall
return 1 + {valueOf() { for (;;); }}
//# Symbol.toPrimitive that loops => wall
return `${{[Symbol.toPrimitive]() { for (;;); }}}`
//# Symbol.hasInstance that loops => wall
return 1 instanceof {[Symbol.hasInstance]() { for (;;); }}
//# Symbol.iterator that loops => wall
const [a] = {[Symbol.iterator]() { for (;;); }}; return a
//# an iterator whose return loops => wall
const [a] = {[Symbol.iterator]: () => ({next: () => ({done: false, value: 1}), return() { for (;;); }})}; return a
//# Symbol.species that loops => wall
class A extends Array { static get [Symbol.species]() { for (;;); } } return new A(1, 2).map(x => x)
//# Symbol.isConcatSpreadable that loops => wall
return [].concat({get [Symbol.isConcatSpreadable]() { for (;;); }})
//# Symbol.toStringTag that loops => wall
return Object.prototype.toString.call({get [Symbol.toStringTag]() { for (;;); }})
//# Symbol.unscopables that loops => wall
with ({x: 1, get [Symbol.unscopables]() { for (;;); }}) return x
//# with over a proxy that has everything => wall
with (new Proxy({}, {has: () => true, get() { for (;;); }})) return anything
//# a setter that loops => wall
Object.assign({set a(value) { for (;;); }}, {a: 1})
//# a static block that loops => wall
class A { static { for (;;); } }
//# a default parameter that loops => wall
return ((a = (() => { for (;;); })()) => a)()
//# a computed key that loops => wall
return {[{toString() { for (;;); }}]: 1}
//# a tag that loops => wall
return ((...all) => { for (;;); })`x`
//# a getter on the record => wall
Object.defineProperty(item, 'a', {get() { for (;;); }, enumerable: true}); return item
