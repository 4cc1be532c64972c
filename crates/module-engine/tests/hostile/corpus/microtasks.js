// Promises, async functions and generators: loops that live between the turns.

//# a chain of promises => wall
const f = () => Promise.resolve().then(f); return f()
//# an async loop => wall
return (async () => { for (;;) await null })()
//# an async loop that nobody waits for => wall
(async () => { for (;;) await null })(); return 1
//# a loop in a reaction, after the answer => wall
Promise.resolve().then(() => { for (;;); }); return 1
//# two async loops that feed each other => wall
const ping = async () => { await null; pong() }, pong = async () => { await null; ping() }; ping(); return 1
//# a reaction that makes two more => memory
//+ memory 8
const f = () => { Promise.resolve().then(f); Promise.resolve().then(f) }; f(); return 1
//# async functions that make two more => memory
const f = async () => { await null; return Promise.all([f(), f()]) }; return f()
//# a promise that never settles => throws Error: the promise that was returned never settles
return new Promise(() => {})
//# a promise that waits for itself => throws TypeError: promise self resolution
const p = Promise.resolve().then(() => p); return p
//# a thenable that loops => wall
return Promise.resolve({then() { for (;;); }})
//# a thenable whose then is a getter that loops => wall
return Promise.resolve({get then() { for (;;); }})
//# a thenable that answers with a thenable for ever => wall
const t = {then(resolve) { resolve({then: t.then}) }}; return Promise.resolve(t)
//# a thenable that is returned as it is => gives {"a":1}
return {a: 1, then: undefined}
//# a subclass whose then loops => gives 1
class P extends Promise { then(...all) { for (;;); } } return P.resolve(1)
//# a subclass whose constructor loops => wall
class P extends Promise { constructor(f) { super(f); if (P.ready) for (;;); } } const p = P.resolve(1); P.ready = true; return p.then(() => 1)
//# a promise whose own constructor property loops => wall
const p = Promise.resolve(1); Object.defineProperty(p, 'constructor', {get() { for (;;); }}); return p
//# a rejection with something odd => throws threw null
return Promise.reject(null)
//# a rejection that nobody handles => gives 1
Promise.reject(new Error('x')); return 1
//# Promise.all of an iterator that never ends => memory
return Promise.all({[Symbol.iterator]: () => ({next: () => ({done: false, value: 1})})})
//# Promise.race of an iterator that never ends => memory
return Promise.race({[Symbol.iterator]: () => ({next: () => ({done: false, value: 1})})})
//# Promise.any of many rejections => throws AggregateError
return Promise.any(Array(1e4).fill(Promise.reject(1)))
//# await in finally for ever => wall
return (async () => { for (;;) { try { await null; throw 1 } catch {} finally { await null } } })()
//# a generator that never ends => wall
for (const x of (function* () { for (;;) yield 1 })());
//# a generator that never ends, collected => memory
return [...(function* () { for (;;) yield 1 })()]
//# a generator that does not let itself be closed => wall
for (const x of (function* () { for (;;) { try { yield 1 } finally { for (;;); } } })()) break
//# a generator that delegates to itself => stack
const f = function* () { yield* f() }; return [...f()]
//# a generator that runs itself => throws TypeError: cannot invoke a running generator
const g = (function* () { yield g.next() })(); return g.next()
//# a long chain of generators => memory
let g = (function* () { yield 1 })(); for (let i = 0; i < 1e5; i++) g = (function* (inner) { yield* inner })(g); return g.next().value
//# an async generator that never ends => wall
return (async () => { for await (const x of (async function* () { for (;;) yield 1 })()); })()
//# async generators that queue requests for ever => memory
const g = (async function* () { for (;;) yield 1 })(); for (;;) g.next()
//# for await over a list that grows => memory
//+ memory 8
return (async () => { const a = [1]; for await (const x of a) a.push({}, {}) })()
//# Array.fromAsync of what never ends => wall
return Array.fromAsync((async function* () { for (;;) yield 1 })())
//# disposal that loops => wall
const stack = new DisposableStack(); stack.defer(() => { for (;;); }); stack.dispose()
//# the loop goes on in catch => wall
for (;;) { try { null.x } catch {} }
//# the loop goes on in finally => wall
try { for (;;); } finally { for (;;); }
//# the label that cannot be left => wall
label: for (;;) { try { continue label } finally { continue label } }
//# a do-while that is only a condition => wall
do ; while (true)
//# a switch in a loop => wall
for (;;) switch (1) { case 1: continue; }
//# tail calls do not help => stack
'use strict'; const f = n => f(n + 1); return f(0)
