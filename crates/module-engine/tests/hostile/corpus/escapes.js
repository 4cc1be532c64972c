// Ways out of the function body, to the compiler, to the prelude, to the host. Nothing is found behind any of them.

//# Function => throws TypeError: code cannot be made from text here
return Function('return 1')()
//# new Function => throws TypeError: code cannot be made from text here
return new Function('return 1')()
//# the constructor of an arrow function => throws TypeError: code cannot be made from text here
return (() => {}).constructor('return 1')()
//# the constructor of an async function => throws TypeError: code cannot be made from text here
return (async () => {}).constructor('return 1')()
//# the constructor of a generator => throws TypeError: code cannot be made from text here
return (function* () {}).constructor('yield 1')().next()
//# the constructor of an async generator => throws TypeError: code cannot be made from text here
return (async function* () {}).constructor('yield 1')().next()
//# the prototype of an async function => throws TypeError: code cannot be made from text here
return Object.getPrototypeOf(async function () {}).constructor('return 1')()
//# the constructor of a constructor => throws TypeError: code cannot be made from text here
return item.constructor.constructor('return this')()
//# the constructor of a host function => throws TypeError: code cannot be made from text here
return db.query.constructor('return this')()
//# the constructor of a method of a class => throws TypeError: code cannot be made from text here
return new (class { a() {} })().a.constructor('return 1')()
//# the constructor of an error's constructor => throws TypeError: code cannot be made from text here
try { null.x } catch (e) { return e.constructor.constructor('return 1')() }
//# the constructor of a thrown stack overflow => throws TypeError: code cannot be made from text here
function f() { f() } try { f() } catch (e) { return e.constructor.constructor('return 1')() }
//# the constructor of a rejection => throws TypeError: code cannot be made from text here
return Promise.reject(new Error('x')).catch(e => e.constructor.constructor('return 1')())
//# the constructor of a syntax error of JSON => throws TypeError: code cannot be made from text here
try { JSON.parse('{') } catch (e) { return e.constructor.constructor('return 1')() }
//# the constructor of what a host call throws => throws TypeError: code cannot be made from text here
try { db.query(1) } catch (e) { return e.constructor.constructor('return 1')() }
//# the constructor of a query's row => throws TypeError: code cannot be made from text here
return db.queryRow('SELECT 1').constructor.constructor('return 1')()
//# the constructor of the html result => throws TypeError: code cannot be made from text here
return html`x`.constructor.constructor('return 1')()
//# Reflect.construct of Function => throws TypeError: code cannot be made from text here
return Reflect.construct(Function, ['return 1'])()
//# a class that extends Function => throws TypeError: code cannot be made from text here
return new (class extends Function {})('return 1')()
//# a class that extends an async function's constructor => throws TypeError: code cannot be made from text here
return new (class extends (async () => {}).constructor {})('return 1')()
//# Function bound => throws TypeError: code cannot be made from text here
return Function.bind(null, 'return 1')()()
//# Function by its descriptor => throws TypeError: code cannot be made from text here
return Object.getOwnPropertyDescriptor(Function.prototype, 'constructor').value('return 1')()
//# eval => throws ReferenceError: eval is not defined
return eval('1')
//# eval without its name => throws TypeError: not a function
return (0, globalThis['ev' + 'al'])('1')
//# a property of a function's prototype => throws TypeError: code cannot be made from text here
return Object.getPrototypeOf(Object.getPrototypeOf(function* () {})).constructor('return 1')()
//# import of a module => throws ReferenceError: could not load module 'std'
return import('std')
//# import of a file => throws ReferenceError: could not load module 'lambda/prelude'
return import('./prelude').then(m => Object.keys(m))
//# import of an object whose toString loops => wall
return import({toString() { for (;;); }})
//# import.meta => refused SyntaxError
return import.meta
//# an import statement => refused SyntaxError
import std from 'std'; return std
//# closing the function => refused SyntaxError
return 1 }); (function (item) { return native
//# closing the function with a comment behind => refused SyntaxError
return 1 }) /*
//# closing it twice => refused SyntaxError
}, function () { return 2
//# a body that is an arrow of its own => refused SyntaxError
return 1 }; () => { return 2
//# a comment to the end of the line => gives 1
return 1 //
//# an HTML comment => gives 1
return 1 <!-- })
//# a directive that changes nothing => gives [1,true]
'use strict'; return [1, this === undefined]
//# a directive of QuickJS's own => gives 1
'use strip'; 'use math'; return 1
//# a hashbang => refused SyntaxError
#! /bin/sh
//# the names of the prelude => gives ["undefined","undefined","undefined","undefined","undefined","undefined","undefined"]
return [typeof native, typeof dispatch, typeof compile, typeof ask, typeof operation, typeof calls, typeof describe]
//# this is the global object, and that is no way out => gives ["object",true]
return [typeof this, this === globalThis]
//# the global object is in no other => gives ["undefined","undefined","undefined","undefined","undefined"]
return [typeof window, typeof global, typeof self, typeof parent, typeof top]
//# callers are not shown => throws TypeError: invalid property access
return (function f() { 'use strict'; return f.caller })()
//# arguments.callee of a strict function => throws TypeError: invalid property access
return (function () { 'use strict'; return arguments.callee })()
//# the callers of a sloppy function => gives true
return (function f() { return f.caller === undefined || f.caller === null })()
//# the caller of a callback that the prelude calls => gives true
let seen = null; const o = {toJSON: function f() { seen = f.caller; return 1 }}; log.info(o); return seen === undefined || seen === null
//# prepareStackTrace is not asked => gives "string"
Error.prepareStackTrace = (error, frames) => frames.map(f => f.getFunction()); return typeof new Error('x').stack
//# prepareStackTrace as a descriptor => throws TypeError: object is not extensible
Object.defineProperty(Error, 'prepareStackTrace', {value: () => 1})
//# prepareStackTrace of a subclass is not asked => gives "string"
class E extends Error { static prepareStackTrace() { return 1 } } return typeof new E('x').stack
//# stackTraceLimit stays => gives true
Error.stackTraceLimit = 1e9; return Error.stackTraceLimit !== 1e9
//# captureStackTrace shows texts only => gives true
const o = {}; Error.captureStackTrace?.(o); return o.stack === undefined || typeof o.stack === 'string'
//# structured stacks of call sites => gives true
return (new Error().stack + '').split('\n').every(line => !line.includes('0x'))
//# the source of a native function => gives true
return [db.query, log.info, t, formatDate].every(f => !/native\.(host|compile)\(.*secret/.test(String(f)))
//# the id of the prelude's class cannot be forged => throws TypeError: private class field '#markup' does not exist
return Object.getOwnPropertyDescriptor(Object.getPrototypeOf(html`x`), 'toString').value.call({})
//# html that pretends to be clean => gives "&lt;b&gt;"
return '' + html`${{toString: () => '<b>', __proto__: Object.getPrototypeOf(html`x`)}}`
//# html with a raw that is not one => throws TypeError: write html`...`: it is a template tag
return html({raw: 1})
//# a template object that is made by hand => gives "<b>1"
const texts = ['<b>', '']; texts.raw = texts; return '' + html(texts, 1)
//# a subclass of Array as parameter => gives [[1]]
class A extends Array { map() { for (;;); } static get [Symbol.species]() { for (;;); } } return [db.query('SELECT $1', A.of(1)) && [1]]
//# a query that is an object with toString => throws TypeError: the query must be a text
return db.query({toString: () => 'SELECT 1'})
//# a query that is a String object => throws TypeError: the query must be a text
return db.query(new String('SELECT 1'))
//# a function as parameter => throws TypeError: a query parameter must be a value, not a function
return db.query('SELECT $1', () => 1)
//# a symbol as parameter => throws TypeError: a query parameter must be a value, not a symbol
return db.query('SELECT $1', Symbol('x'))
//# a parameter in a circle => throws TypeError: circular reference
const a = []; a.push(a); return db.query('SELECT $1', a)
//# a parameter whose toJSON makes another query => gives 1
let n = 0; db.query('SELECT $1', {toJSON() { n++; db.query('SELECT 2'); return 1 }}); return n
//# a parameter whose toJSON loops => wall
return db.query('SELECT $1', {toJSON() { for (;;); }})
//# a Date whose toISOString loops => gives 1
const d = new Date(); d.toISOString = () => { for (;;); }; db.query('SELECT $1', d); return 1
//# host functions without their object => gives 1
const {query} = db; return query('SELECT 1').length
//# host functions as constructors => throws TypeError: not a constructor
return new db.query('SELECT 1')
//# null is thrown => throws threw null
throw null
//# undefined is thrown => throws threw undefined
throw undefined
//# a symbol is thrown => throws threw Symbol(x)
throw Symbol('x')
//# a number is thrown => throws threw 1
throw 1
//# the record is thrown => throws threw {"a":1}
throw {a: 1}
//# a function is thrown => throws threw (
throw () => 1
//# a promise is thrown => throws threw {}
throw Promise.resolve(1)
//# an error that looks like a limit counts as one, against its own module => memory
throw new InternalError('out of memory')
//# an error that looks like the interruption is none => throws InternalError: interrupted
throw new InternalError('interrupted')
//# the limit cannot be caught as text => memory
try { const a = []; for (;;) a.push({}) } catch { return 1 }
//# the deadline cannot be caught => wall
try { for (;;); } catch { return 1 }
//# the deadline cannot be caught by a promise => wall
return new Promise((resolve) => { try { for (;;); } finally { resolve(1) } })
//# a function is returned => throws TypeError: the lambda returned a function; return a text, a number or an object
return () => 1
//# a symbol is returned => throws TypeError: the lambda returned a symbol; return a text, a number or an object
return Symbol('x')
//# a generator is returned as what JSON makes of it => gives {}
return (function* () { for (;;); })()
//# nothing ambient => gives []
return ['process', 'require', 'module', 'console', 'print', 'std', 'os', 'bjson', 'fetch', 'XMLHttpRequest', 'WebAssembly', 'setTimeout',
  'setInterval', 'queueMicrotask', 'gc', 'performance', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry', 'Worker', 'load',
  'loadScript', 'evalScript', 'navigator', 'scriptArgs', 'DOMException', 'structuredClone', 'postMessage', '__proto__x'].filter(name => name in globalThis)
