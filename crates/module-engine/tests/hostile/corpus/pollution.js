// What a lambda leaves behind. After each of these (as after every other script of the corpus) a fresh invocation must find the world as it was.

//# a property on all objects => gives null
Object.prototype.polluted = 1; return ({}).polluted
//# a property on all objects, strictly => throws TypeError: object is not extensible
'use strict'; Object.prototype.polluted = 1
//# through __proto__ => gives null
({}).__proto__.polluted = 1; return ({}).polluted
//# through constructor.prototype => gives null
item.constructor.prototype.polluted = 1; return ({}).polluted
//# through Object.assign => throws TypeError: object is not extensible
Object.assign(Object.prototype, {polluted: 1})
//# through defineProperty => throws TypeError: object is not extensible
Object.defineProperty(Object.prototype, 'polluted', {value: 1})
//# through setPrototypeOf => throws TypeError: 'Immutable prototype object 'Object.prototype' cannot have their prototype set'
Object.setPrototypeOf(Object.prototype, {polluted: 1})
//# through a recursive merge of a parsed text => gives null
const merge = (to, from) => { for (const k in from) typeof from[k] === 'object' ? merge(to[k] ??= {}, from[k]) : to[k] = from[k] };
merge({}, JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}')); return ({}).polluted
//# an index on all arrays => throws TypeError: object is not extensible
Object.defineProperty(Array.prototype, '0', {set() {}})
//# methods of arrays => gives [2]
Array.prototype.map = () => ['x']; return [1].map(x => x + 1)
//# methods of texts => gives "a"
String.prototype.trim = () => 'x'; return ' a '.trim()
//# JSON.stringify => gives {"a":1}
JSON.stringify = () => '"x"'; JSON.parse = () => 1; return {a: 1}
//# toJSON on all objects => gives {"a":1}
Object.prototype.toJSON = () => 'x'; return {a: 1}
//# then on all objects => gives {"a":1}
Object.prototype.then = () => 1; return (async () => ({a: 1}))()
//# Promise.prototype.then => gives 1
Promise.prototype.then = function () { return 2 }; return Promise.resolve(1)
//# iterators of arrays => gives 3
[][Symbol.iterator]().__proto__.next = () => ({done: true}); let n = 0; for (const x of [1, 2]) n += x; return n
//# generators => gives [1]
(function* () {})().__proto__.__proto__.next = () => ({done: true}); return [...(function* () { yield 1 })()]
//# Symbol.iterator of arrays => gives [1,2]
Array.prototype[Symbol.iterator] = function* () { yield 9 }; return [...[1, 2]]
//# exec of patterns => gives true
RegExp.prototype.exec = () => null; return /a/.test('a')
//# Math.random => gives true
Math.random = () => 2; return Math.random() < 1
//# Date => gives true
Date.now = () => 0; Date.prototype.getTime = () => 0; return Date.now() > 0
//# db => gives 1
db.query = () => [1, 2, 3]; return db.query('SELECT 1').length
//# db as a whole => gives 1
db = {query: () => [1, 2, 3]}; return db.query('SELECT 1').length
//# db deleted => gives [false,"object"]
return [delete globalThis.db, typeof db]
//# db in a shadow of its own is nobody else's => gives 3
const db = {query: () => [1, 2, 3]}; return db.query('SELECT 1').length
//# the user => gives "root@localhost"
user.login = 'somebody'; user = {login: 'else'}; return user.login
//# the tenant => throws TypeError: 'slug' is read-only
'use strict'; tenant.slug = 'other'
//# globals => gives 1
globalThis.left = 1; var also = 2; implicit = 3; return left
//# a global with a getter that loops => gives 1
Object.defineProperty(globalThis, 'trap', {get() { for (;;); }, configurable: true}); return 1
//# a global that cannot be deleted => gives 1
Object.defineProperty(globalThis, 'kept', {value: 1, configurable: false}); return kept
//# the global object frozen => gives 1
Object.freeze(globalThis); return 1
//# the prototype of the global object => gives null
Object.setPrototypeOf(globalThis, {polluted: 1}); return null
//# undefined => gives null
undefined = 1; return undefined
//# interned symbols => gives 1
Symbol.for('left').description; Symbol.for('left'); return 1
//# the last match of a pattern => gives true
/(left)/.exec('left behind'); return RegExp.$1 === undefined
//# a template object is cached per place, not for ever => gives 1
const tag = (texts) => texts; const texts = tag`a`; return Object.isFrozen(texts) ? 1 : 0
//# errors may carry names of their own => gives ["Mine","hello"]
const e = new Error('x'); e.name = 'Mine'; e.message = 'hello'; return [e.name, e.message]
//# for all errors they may not => throws TypeError: name cannot be changed for all objects
Error.prototype.name = 'Mine'
//# toString of all objects => throws TypeError: toString cannot be changed for all objects
Object.prototype.toString = () => 'x'
//# toString of one object is its own business => gives "mine"
const o = {}; o.toString = () => 'mine'; return '' + o
//# rows: what one row declares, the next does not find => gives ["undefined","undefined"]
//+ rows 2
const found = typeof left; left = 1; return found
//# rows: what one row hangs on a shared object is not there => gives [null,null]
//+ rows 2
const found = formatDate.left; formatDate.left = 1; (() => {}).__proto__.left = 1; return found
//# rows: a pattern of one row starts at its beginning in the next => gives [true,true]
//+ rows 2
return /a/g.test('a')
//# rows: a global that cannot be deleted stays with its invocation => gives [1,1]
//+ rows 2
try { Object.defineProperty(globalThis, 'kept', {value: 1, configurable: false}) } catch {} return kept
//# rows: the record of one row is not that of the next => gives [[0,null],[1,null]]
//+ rows 2
const seen = [item.n, item.seen]; item.seen = item.n; return seen
//# rows: a loop in the second row ends the whole call => wall
//+ rows 2
if (item.n === 1) for (;;); return item.n
//# rows: an error in the first row is that row's => gives ["Error: 0",1]
//+ rows 2
if (item.n === 0) throw new Error('0'); return item.n
//# rows: promises of one row do not run in the next => gives [null,null]
//+ rows 2
const found = globalThis.late; new Promise(() => {}).then(() => { globalThis.late = 1 }); Promise.resolve().then(() => { globalThis.late = 1 }); return found
//# rows: what one row does to the groups of the user, the next does not find => gives [1,1]
//+ rows 2
try { user.groups.push('other') } catch {} return user.groups.length
//# rows: what one row leaves on the function itself, the next does not find => gives [null,null]
//+ rows 2
const f = arguments.callee, found = f.left ?? f.prototype.left; f.left = 1; f.prototype.left = 1; return found
//# rows: a record that is frozen costs nobody its answer => gives [0,1]
//+ rows 2
Object.freeze(item); return item.n
//# rows: a record that refuses the result costs nobody its answer => gives [0,1]
//+ rows 2
Object.defineProperty(item, 'result', {set() { throw new Error('mine') }}); return item.n
