// Recursion of every kind.

//# a function => stack
function f() { return f() + 1 } return f()
//# two functions => stack
const even = n => odd(n - 1), odd = n => even(n - 1); return even(0)
//# caught and started again => wall
function f() { try { f() } catch { f() } } f()
//# caught once => gives "RangeError"
function f() { f() } try { f() } catch (e) { return e.name }
//# a getter => stack
class A { get b() { return this.b } } return new A().b
//# a setter => stack
const o = {set a(value) { this.a = value }}; o.a = 1
//# a constructor => stack
class A { constructor() { new A() } } new A()
//# a class that extends itself for ever => stack
const make = (B) => make(class extends B {}); make(Object)
//# toString => stack
const o = {toString() { return '' + this }}; return '' + o
//# Symbol.toPrimitive => stack
const o = {[Symbol.toPrimitive]() { return +o }}; return +o
//# join of an array in itself => stack
const a = []; a.push(a); return a.join()
//# flat of an array in itself => stack
const a = []; a.push(a); return a.flat(Infinity)
//# join of nested arrays => stack
let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return String(a)
//# flat of nested arrays => stack
let a = [1]; for (let i = 0; i < 1e5; i++) a = [a]; return a.flat(Infinity)
//# a reviver => stack
const f = () => JSON.parse('1', f); return f()
//# a comparator => stack
const f = () => [1, 2].sort(f); return f()
//# a replacer => stack
const f = () => 'x'.replace('x', f); return f()
//# map => stack
const f = () => [1].map(f); return f()
//# forEach of a Map => stack
const m = new Map([[1, 1]]); const f = () => m.forEach(f); f()
//# apply => stack
function f() { return f.apply(this, arguments) } return f(1)
//# Reflect.construct => stack
function F() { return Reflect.construct(F, []) } return new F()
//# bound a hundred thousand times => memory
let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(null); return f()
//# instanceof of something bound a hundred thousand times => memory
let f = function () {}; for (let i = 0; i < 1e5; i++) f = f.bind(null); return {} instanceof f
//# a template tag => stack
const f = () => f`x`; return f()
//# a default parameter => stack
const f = (a = f()) => a; return f()
//# destructuring => stack
const f = ({a} = {get a() { return f() }}) => a; return f()
//# the start of an async function => stack
const f = async () => { await f() }; return f()
//# Object.assign => stack
const o = {get a() { return Object.assign({}, o) }}; return o.a
//# spread => stack
const o = {get a() { return {...o} }}; return o.a
//# defineProperty through a proxy => stack
const p = new Proxy({}, {defineProperty: (target, key, value) => Reflect.defineProperty(p, key, value)}); p.a = 1
//# a long list is freed => gives 1
let list = null; for (let i = 0; i < 2e5; i++) list = {list}; list = null; return 1
//# a long chain of closures is freed => gives 1
let f = () => 1; for (let i = 0; i < 1e5; i++) { const g = f; f = () => g } f = null; return 1
//# a long chain of promises is freed => gives 1
let p = new Promise(() => {}); for (let i = 0; i < 1e5; i++) p = p.then(() => 1); p = null; return 1
//# html of an array in itself => stack
const a = []; a.push(a); return html`${a}`
//# log of what is nested too deeply => stack
let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; log.info(deep)
//# a query whose parameter is nested too deeply => stack
let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; db.query('SELECT $1', deep)
//# many parameters => gives 60000
return ((...all) => all.length)(...Array(60000).fill(0))
//# a frame with many variables => stack
const f = (a0, a1, a2, a3, a4, a5, a6, a7) => { let b = [a0, a1, a2, a3, a4, a5, a6, a7]; return f(...b, ...b) + b.length }; return f(1)
