// Patterns that backtrack for ever, and the protocols around patterns.

//# nested quantifiers => wall
return /(a+)+$/.test('a'.repeat(40) + 'b')
//# nested alternatives => wall
return /^(a|aa|a?)+$/.test('a'.repeat(40) + 'b')
//# quantified groups => wall
return /^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60))
//# star of star => wall
return /(?:(?:x*)*)*y/.test('x'.repeat(40))
//# back references => wall
return /^(.*)(.*)(.*)(.*)(.*)\1\2\3\4\5z$/.test('a'.repeat(200))
//# look behind => wall
return /(?<=(a+)+b)c/.test('a'.repeat(40) + 'c'.repeat(40) + 'd') || (() => { for (;;) /(?<=^(a+)+)b$/.test('a'.repeat(30) + 'c') })()
//# look ahead => wall
return /^(?=(a+)+$)b/.test('a'.repeat(40) + 'c')
//# lazy quantifiers => wall
return /^(.+?)+?$/.test('a'.repeat(40) + '\n')
//# case-insensitive classes => wall
return /^([\u{0}-\u{10ffff}]+)+\d$/iu.test('ab'.repeat(30))
//# a long subject, polynomial => wall
return /\s+$/.test(' '.repeat(3e5) + 'x')
//# an endless global exec => wall
const r = /a/g; for (;;) { r.lastIndex = 0; r.exec('a') }
//# matchAll of nothing => memory
return [...'x'.repeat(1e7).matchAll(/(?:)/g)].length
//# match of everything => memory
return 'x'.repeat(2e7).match(/./g).length
//# replace with a function that loops => wall
return 'x'.replace(/x/, () => { for (;;); })
//# replace protocol with an exec that never ends => memory
return RegExp.prototype[Symbol.replace].call({flags: 'g', lastIndex: 0, exec: () => ({index: 0, 0: '', length: 1})}, 'x', '')
//# match protocol with an exec that never ends => memory
//+ memory 8
return RegExp.prototype[Symbol.match].call({flags: 'g', lastIndex: 0, exec: () => ['']}, 'x').length
//# split protocol with a species that never moves => wall
class Stuck extends RegExp { static get [Symbol.species]() { return Stuck } get lastIndex() { return 0 } exec() { return null } }
return new Stuck('x').constructor && RegExp.prototype[Symbol.split].call(new Stuck('x', 'y'), 'x'.repeat(1e7)).length
//# groups nested a hundred thousand deep => throws SyntaxError: too many captures
return new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).test('')
//# classes nested without end => stack
return new RegExp('['.repeat(1e5), 'v').test('')
//# more groups than a pattern may have => throws SyntaxError: too many captures
return new RegExp('()'.repeat(1e5)).test('')
//# a pattern of ten million letters => memory
return new RegExp('a'.repeat(1e7)).test('a')
//# a million alternatives => wall
return new RegExp('a|'.repeat(1e6) + 'b').test('c')
//# counted repetitions of counted repetitions => wall
return /((((a{1,100}){1,100}){1,100}){1,100}){1,100}b/.test('a'.repeat(100))
//# large counts => gives true
return /(?:a{0,2147483646}){0,2147483646}$/.test('b')
//# many patterns => memory
//+ memory 8
const a = []; for (let i = 0; ; i++) a.push(new RegExp('x' + i))
//# compiling for ever => wall
for (let i = 0; ; i++) new RegExp('[\\p{L}\\p{N}' + (i % 7) + ']', 'u')
//# a class that says it is a pattern => wall
return 'x'.search({[Symbol.search]() { for (;;); }})
//# flags that loop => wall
const r = /a/g; Object.defineProperty(r, 'flags', {get() { for (;;); }}); return 'a'.replaceAll(r, '')
