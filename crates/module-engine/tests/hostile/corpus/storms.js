// Twenty kinds of allocation that never end. The sweep runs each under 65 limits.

//# objects => memory
//+ memory 16
const a = []; for (;;) a.push({})
//# properties => memory
//+ memory 16
const o = {}; for (let i = 0; ; i++) o['k' + i] = i
//# symbols as properties => memory
//+ memory 16
const o = {}; for (;;) o[Symbol()] = 1
//# typed arrays => memory
//+ memory 16
const a = []; for (;;) a.push(new Uint8Array(1e5))
//# closures => memory
//+ memory 16
const a = []; for (;;) { const n = a.length; a.push(() => n) }
//# texts => memory
//+ memory 16
const a = []; for (let i = 0; ; i++) a.push('x'.repeat(1000) + i)
//# wide texts => memory
//+ memory 16
const a = []; for (let i = 0; ; i++) a.push('\u20ac'.repeat(1000) + i)
//# BigInts => memory
//+ memory 16
const a = []; for (let i = 0n; ; i++) a.push(2n ** 10000n + i)
//# a Map => memory
//+ memory 16
const m = new Map(); for (let i = 0; ; i++) m.set(i, i)
//# a Set of objects => memory
//+ memory 16
const s = new Set(); for (;;) s.add({})
//# a WeakMap with living keys => memory
//+ memory 16
const m = new WeakMap(), a = []; for (;;) { const key = {}; a.push(key); m.set(key, a) }
//# promises => memory
//+ memory 16
const a = []; for (;;) a.push(new Promise(() => {}))
//# patterns => memory
//+ memory 16
const a = []; for (;;) a.push(/x(y)z/g)
//# proxies => memory
//+ memory 16
const a = []; for (;;) a.push(new Proxy({}, {}))
//# generators => memory
//+ memory 16
const a = []; for (;;) { const g = (function* () { yield 1 })(); g.next(); a.push(g) }
//# errors with stacks => memory
//+ memory 16
const a = []; for (;;) { try { null.x } catch (e) { a.push(e) } }
//# classes => memory
//+ memory 16
const a = []; for (;;) a.push(class { a() {} static b() {} })
//# arrays that double => memory
//+ memory 16
let a = [1]; for (;;) a = a.concat(a)
//# dates and boxes => memory
//+ memory 16
const a = []; for (;;) a.push(new Date(), Object(1), Object('x'), Object(Symbol()))
//# JSON => memory
//+ memory 16
const a = []; for (;;) a.push(JSON.parse('{"a":[1,2,{"b":"c"}]}'))
