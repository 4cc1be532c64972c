// One native call that asks for more than there is.

//# an ArrayBuffer => memory
return new ArrayBuffer(2e9).byteLength
//# an ArrayBuffer beyond the address space => throws RangeError: invalid array buffer length
return new ArrayBuffer(2 ** 40).byteLength
//# an ArrayBuffer that is resized => memory
return new ArrayBuffer(1e6, {maxByteLength: 1e9}).resize(9e8)
//# a typed array => memory
return new Float64Array(1e8).length
//# a copy of a typed array => memory
const a = new Uint8Array(2e7); return [a.slice().length, a.slice().length, a.slice().length]
//# an array that is filled => memory
return Array(3e7).fill(0).length
//# an array of a text => memory
return Array.from('x'.repeat(1e7)).length
//# an array of arrays => memory
return Array(1e6).fill().map(() => Array(1e3).fill(0)).length
//# entries of a large object => memory
//+ memory 8
const o = Object.fromEntries(Array(1e5).fill(0).map((_, i) => [i, i])); return Array(100).fill().map(() => Object.entries(o)).length
//# concat of large arrays => memory
const a = Array(1e6).fill(0); return a.concat(a, a, a, a, a, a, a, a).length
//# push of many => memory
const a = []; for (;;) a.push(...Array(60000).fill(0))
//# unshift of many => wall
const a = []; for (;;) a.unshift(...Array(10000).fill(0))
//# splice of many => wall
const a = []; for (;;) a.splice(0, 0, ...Array(10000).fill(0))
//# flat of many => memory
return Array(1e4).fill(Array(1e4).fill(0)).flat().length
//# flatMap of many => memory
return Array(1e4).fill(0).flatMap(() => Array(1e4).fill(0)).length
//# split of a long text => memory
return 'a,'.repeat(1e7).split(',').length
//# matchAll kept => memory
return [...'ab'.repeat(3e6).matchAll(/a(b)/g)].length
//# JSON of a large array => memory
return JSON.stringify(Array(1e7).fill('xxxxxxxxxx')).length
//# parse of a large text => memory
return JSON.parse('[' + '"x",'.repeat(3e6) + '1]').length
//# String.fromCodePoint of many => memory
return String.fromCodePoint(...Array(1e7).fill(65)).length
//# base64 of a long text => memory
return base64.encode('x'.repeat(2e7)).length
//# base64 there and back, for ever => wall
const text = 'x'.repeat(1e5); for (;;) base64.decode(base64.encode(text))
//# html of a large array => wall
return html`${Array(1e6).fill('<b>'.repeat(100))}`
//# formatNumber with a long tail => throws RangeError: invalid number of digits
return formatNumber(1, 1e9)
//# digest of a long text => gives 64
return crypto.sha256('x'.repeat(1e7)).length
//# digests for ever => wall
for (;;) crypto.sha256('x'.repeat(1e5))
//# keyed digests for ever => wall
for (;;) crypto.hmacSha256('k', 'x'.repeat(1e5))
//# UUIDs for ever => wall
for (;;) crypto.randomUUID()
//# random numbers for ever => wall
for (;;) Math.random()
//# one letter over and over in a DataView => wall
const view = new DataView(new ArrayBuffer(8)); for (let i = 0; ; i++) view.setFloat64(0, i)
//# arguments kept alive => memory
const a = []; (function f() { for (;;) a.push((function () { return arguments })(1, 2, 3, 4, 5, 6, 7, 8)) })()
//# memory that is let go again is no storm => gives 200
let n = 0; for (; n < 200; n++) new Uint8Array(5e6).fill(1); return n
