// Sorting with comparators that do not play by the rules.

//# loops => wall
return [3, 2, 1].sort(() => { for (;;); })
//# throws => throws Error: no
return [3, 2, 1].sort(() => { throw new Error('no') })
//# is not consistent => gives 1000
return Array.from({length: 1000}, (_, i) => i).sort(() => Math.random() - 0.5).length
//# is always less, for ever => wall
const a = Array.from({length: 1e5}, (_, i) => i); for (;;) a.sort(() => -1)
//# empties the array meanwhile => gives 3
const a = [3, 2, 1]; a.sort((x, y) => { a.length = 0; return x - y }); return a.length
//# fills the array meanwhile => memory
const a = [3, 2, 1]; a.sort((x, y) => { for (;;) a.push({}) }); return a.length
//# freezes the array meanwhile => throws TypeError: '0' is read-only
const a = [3, 2, 1]; a.sort((x, y) => { Object.freeze(a); return x - y })
//# sorts in itself => stack
return [1, 2].sort(function c(a, b) { return [1, 2].sort(c) && 0 })
//# answers with something whose valueOf loops => wall
return [2, 1].sort(() => ({valueOf() { for (;;); }}))
//# answers with a BigInt => throws TypeError: cannot convert BigInt to number
return [2, 1].sort(() => 1n)
//# texts whose toString loops => wall
return [{toString() { for (;;); }}, {toString() { for (;;); }}].sort()
//# texts whose toString throws => throws TypeError: no
return [{toString() { throw new TypeError('no') }}, {}].sort()
//# getters on the elements => wall
const a = [1, 2]; Object.defineProperty(a, 0, {get() { for (;;); }}); return a.sort()
//# through a proxy whose reads loop => wall
return new Proxy([2, 1], {get(target, key) { if (key === '0') for (;;); return target[key] }}).sort()
//# a typed array that is resized meanwhile => gives [0,16]
const buffer = new ArrayBuffer(16, {maxByteLength: 1024});
const words = new Uint8Array(buffer);
words.sort(() => { buffer.resize(0); return 1 });
const first = words.length; buffer.resize(16); return [first, words.length]
//# a typed array that is transferred meanwhile => gives 0
const buffer = new ArrayBuffer(16); const words = new Uint8Array(buffer);
words.sort(() => { if (!buffer.detached) buffer.transfer(); return 1 }); return words.length
//# toSorted loops => wall
return [3, 2, 1].toSorted(() => { for (;;); })
//# a hundred thousand equal elements => wall
const a = Array(1e5).fill(0).map(() => ({})); for (;;) a.sort((x, y) => 0)
//# quadratic on what is sorted already => wall
const a = Array.from({length: 1e5}, (_, i) => i); for (;;) { a.sort((x, y) => x - y); a.reverse() }
//# the default order of numbers for ever => wall
const a = Array.from({length: 1e5}, (_, i) => i); for (;;) a.sort()
//# is no function => throws TypeError: not a function
return [2, 1].sort({})
