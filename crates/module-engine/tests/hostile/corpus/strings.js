// Texts that grow, and native work on texts that is quadratic.

//# doubling => throws InternalError: string too long
let s = 'x'; for (;;) s += s
//# doubling and looking at it => memory
let s = 'x'; for (;;) { s += s; s.charCodeAt(s.length >> 1) }
//# doubling by a template => memory
let s = 'x'; for (;;) s = `${s}${s}`
//# doubling by replace => memory
let s = 'x'; for (;;) s = s.replace(/[^]*/, '$&$&')
//# doubling by concat => memory
let s = 'x'; for (;;) s = s.concat(s)
//# repeat up to the limit of texts => memory
return 'x'.repeat(2 ** 30 - 2).length
//# repeat beyond it => throws RangeError: invalid repeat count
return 'x'.repeat(2 ** 31)
//# repeat for ever => throws RangeError: invalid repeat count
return 'x'.repeat(Infinity)
//# padStart => memory
return 'x'.padStart(2 ** 30 - 2).length
//# padEnd with a long filling => memory
return 'x'.padEnd(2 ** 29, 'abc'.repeat(1e5)).length
//# quadratic indexOf => wall
const a = 'a'.repeat(3e5); for (;;) (a + a + 'b').indexOf(a + 'c')
//# quadratic lastIndexOf => wall
const a = 'a'.repeat(3e5); for (;;) (a + a).lastIndexOf('b' + a)
//# quadratic includes => wall
const a = 'a'.repeat(3e5); for (;;) (a + a).includes(a + 'b')
//# quadratic split => wall
const a = 'a'.repeat(3e5); for (;;) (a + a).split(a + 'b')
//# quadratic replaceAll => wall
const a = 'a'.repeat(3e5); for (;;) (a + a).replaceAll(a + 'b', '')
//# replaceAll that multiplies => memory
return '-'.repeat(1e6).replaceAll('-', 'ab'.repeat(1e5)).length
//# replaceAll of nothing => memory
return 'x'.repeat(1e6).replaceAll('', 'y'.repeat(1e4)).length
//# split into letters => memory
//+ memory 8
return 'x'.repeat(2e7).split('').length
//# spread into letters => memory
return [...'x'.repeat(2e7)].length
//# join of long pieces => memory
return Array(1e5).fill('x'.repeat(1e5)).join('').length
//# normalize => wall
for (;;) '\u0958\u0323'.repeat(1e5).normalize('NFC')
//# normalize that expands => memory
return '\ufdfa'.repeat(3e6).normalize('NFKD').length
//# upper case that expands => memory
//+ memory 8
return '\u0390'.repeat(5e6).toUpperCase().length
//# localeCompare => wall
const a = 'a\u0301'.repeat(2e5); for (;;) a.localeCompare(a + 'b')
//# encodeURIComponent => memory
return encodeURIComponent('\u20ac'.repeat(4e6)).length
//# decodeURIComponent => wall
const a = '%41'.repeat(3e5); for (;;) decodeURIComponent(a)
//# escape => memory
return escape('\u20ac'.repeat(6e6)).length
//# unescape => wall
const a = '%u0041'.repeat(2e5); for (;;) unescape(a)
//# Number of a long text => wall
const digits = '1'.repeat(1e6); for (;;) Number(digits)
//# parseFloat of a long text => wall
const digits = '0.' + '1'.repeat(1e6); for (;;) parseFloat(digits)
//# parseInt of a long text => wall
const digits = 'z'.repeat(1e6); for (;;) parseInt(digits, 36)
//# Date.parse of a long text => wall
const text = 'Jan '.repeat(1e5); for (;;) Date.parse(text)
//# numbers to text => wall
for (let n = 0.1; ; n *= 1.0000001) { n.toString(2); n.toFixed(100); n.toPrecision(100) }
//# toWellFormed => wall
const a = '\ud800'.repeat(1e6); for (;;) a.toWellFormed()
//# trim of blanks => wall
const a = ' '.repeat(1e7); for (;;) a.trim()
//# a symbol with a long description => memory
let s = 'x'; for (;;) { s += s; Symbol(s).toString() + '' }
//# many different property names => memory
const o = {}; for (let i = 0; ; i++) o['name ' + i] = 1
//# many interned symbols => wall
for (let i = 0; ; i++) Symbol.for('name ' + i)
