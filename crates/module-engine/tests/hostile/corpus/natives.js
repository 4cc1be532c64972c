// Loops inside native functions, over array-likes that say they are huge. QuickJS looks at its interrupt flag in none of them.

//# reverse => wall
return Array.prototype.reverse.call({length: 2 ** 53 - 1})
//# sort => wall
return Array.prototype.sort.call({length: 2 ** 40, 0: 1})
//# copyWithin => wall
return Array.prototype.copyWithin.call({length: 2 ** 53 - 1}, 0, 1)
//# fill through a proxy that keeps nothing => wall
return Array.prototype.fill.call(new Proxy({length: 2 ** 53 - 1}, {set: () => true}), 0)
//# fill an object for real => memory
return Array.prototype.fill.call({length: 2 ** 53 - 1}, 0)
//# indexOf => wall
return Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)
//# lastIndexOf => wall
return Array.prototype.lastIndexOf.call({length: 2 ** 53 - 1}, 1)
//# includes => wall
return Array.prototype.includes.call({length: 2 ** 53 - 1}, 1)
//# join with nothing between => wall
return Array.prototype.join.call({length: 2 ** 53 - 1}, '')
//# join with something between => memory
//+ memory 8
return Array.prototype.join.call({length: 2 ** 53 - 1})
//# toLocaleString => memory
//+ memory 8
return Array.prototype.toLocaleString.call({length: 2 ** 53 - 1})
//# flat => wall
return Array.prototype.flat.call({length: 2 ** 53 - 1})
//# flatMap => wall
return Array.prototype.flatMap.call({length: 2 ** 53 - 1}, x => x)
//# splice at the front => wall
return Array.prototype.splice.call({length: 2 ** 53 - 1}, 0, 1)
//# unshift => wall
return Array.prototype.unshift.call({length: 2 ** 53 - 100}, 1)
//# shift => wall
return Array.prototype.shift.call({length: 2 ** 53 - 1})
//# slice of as much as an array can hold => wall
return Array.prototype.slice.call({length: 2 ** 32 - 1})
//# slice of more than an array can hold => throws RangeError: invalid array length
return Array.prototype.slice.call({length: 2 ** 40})
//# concat of what says it can be spread => wall
return Array.prototype.concat.call([], {length: 2 ** 50, [Symbol.isConcatSpreadable]: true})
//# forEach over holes => wall
return Array.prototype.forEach.call({length: 2 ** 53 - 1}, () => 0)
//# map over holes => wall
return Array.prototype.map.call({length: 2 ** 32 - 1}, () => 0)
//# filter over holes => wall
return Array.prototype.filter.call({length: 2 ** 53 - 1}, () => 0)
//# every over holes => wall
return Array.prototype.every.call({length: 2 ** 53 - 1}, () => true)
//# some over holes => wall
return Array.prototype.some.call({length: 2 ** 53 - 1}, () => false)
//# reduce over holes => wall
return Array.prototype.reduce.call({length: 2 ** 53 - 1}, () => 0)
//# reduceRight over holes => wall
return Array.prototype.reduceRight.call({length: 2 ** 53 - 1}, () => 0)
//# find => wall
return Array.prototype.find.call({length: 2 ** 53 - 1}, Boolean)
//# findLast with a native predicate => wall
return Array.prototype.findLast.call({length: 2 ** 53 - 1}, Boolean)
//# findIndex with a native predicate => wall
return Array.prototype.findIndex.call({length: 2 ** 53 - 1}, isNaN.bind(null, 1))
//# toReversed of as much as an array can hold => throws RangeError: invalid array length
return Array.prototype.toReversed.call({length: 2 ** 32 - 1})
//# toSorted of as much as an array can hold => throws RangeError: invalid array length
return Array.prototype.toSorted.call({length: 2 ** 32 - 1})
//# toSpliced of as much as an array can hold => throws RangeError: invalid array length
return Array.prototype.toSpliced.call({length: 2 ** 32 - 2}, 0, 0)
//# with on as much as an array can hold => throws RangeError: invalid array length
return Array.prototype.with.call({length: 2 ** 32 - 1}, 0, 1)
//# Array.from of a length beyond arrays => throws RangeError: invalid array length
return Array.from({length: 2 ** 53 - 1})
//# Array.from of a length within arrays => memory
return Array.from({length: 2 ** 32 - 1})
//# Array.from with a mapping that loops => wall
return Array.from({length: 2 ** 31}, () => { for (;;); })
//# typed array from a huge length => throws RangeError: invalid array buffer length
return Uint8Array.from({length: 2 ** 53 - 1})
//# typed array set from a huge array-like => throws RangeError: invalid array length
return new Uint8Array(8).set({length: 2 ** 53 - 1})
//# apply with a huge list => throws RangeError: too many arguments in function call (only 65535 allowed)
return (() => 1).apply(null, {length: 2 ** 32 - 1})
//# Reflect.apply with a huge list => throws RangeError: too many arguments in function call (only 65535 allowed)
return Reflect.apply(Math.max, null, {length: 1e9})
//# Reflect.construct with a huge list => throws RangeError: too many arguments in function call (only 65535 allowed)
return Reflect.construct(Array, {length: 2 ** 31})
//# spread of ten million arguments => memory
return Math.max(...Array(1e7).fill(0))
//# String.raw of empty pieces => wall
return String.raw({raw: new Proxy({}, {get: (_, key) => key === 'length' ? 2 ** 53 - 1 : ''})})
//# String.raw of missing pieces => memory
return String.raw({raw: {length: 2 ** 53 - 1}})
//# JSON.stringify of a proxy that says it is a long array => wall
return JSON.stringify(new Proxy([], {get: (target, key) => key === 'length' ? 2 ** 53 - 1 : target[key]}))
//# Set from an iterator that never ends, with one value => wall
return new Set({[Symbol.iterator]: () => ({next: () => ({done: false, value: 1})})}).size
//# Map from an iterator that never ends, with one key => wall
return new Map({[Symbol.iterator]: () => ({next: () => ({done: false, value: [1, 1]})})}).size
//# Object.fromEntries of an iterator that never ends => wall
return Object.fromEntries({[Symbol.iterator]: () => ({next: () => ({done: false, value: ['a', 1]})})})
//# Object.groupBy of an iterator that never ends => memory
//+ memory 8
return Object.groupBy({[Symbol.iterator]: () => ({next: () => ({done: false, value: 1})})}, x => x)
//# Map.groupBy of an iterator that never ends => memory
//+ memory 8
return Map.groupBy({[Symbol.iterator]: () => ({next: () => ({done: false, value: 1})})}, x => x).size
//# iterator helper drop => wall
return Iterator.from({next: () => ({done: false})}).drop(1e15).next()
//# iterator helper reduce => wall
return Iterator.from({next: () => ({done: false, value: 1})}).reduce((a, b) => a + b, 0)
//# iterator helper every => wall
return Iterator.from({next: () => ({done: false, value: 1})}).every(Boolean)
//# iterator helper find => wall
return Iterator.from({next: () => ({done: false, value: 0})}).find(Boolean)
//# iterator helper filter => wall
return Iterator.from({next: () => ({done: false, value: 0})}).filter(Boolean).next()
//# iterator helper flatMap of empty lists => wall
return Iterator.from({next: () => ({done: false, value: 0})}).flatMap(() => []).next()
//# iterator helper toArray => memory
//+ memory 8
return Iterator.from({next: () => ({done: false, value: 0})}).toArray().length
//# a set that grows while it is walked => wall
const s = new Set([1]); s.forEach(v => { s.delete(v); s.add(v + 1) })
//# a map that grows while it is walked => wall
const m = new Map([[1, 1]]); for (const [k] of m) { m.delete(k); m.set(k + 1, 1) }
//# union with a set-like that says it is infinite => wall
return new Set().union({size: Infinity, has: () => true, keys: () => ({next: () => ({done: false, value: 1})})}).size
//# isSupersetOf a set-like that never ends => wall
return new Set([1]).isSupersetOf({size: 0, has: () => true, keys: () => ({next: () => ({done: false, value: 1})})})
//# typed array filled for ever => wall
for (;;) new Uint8Array(1e7).fill(1)
//# typed array searched for ever => wall
const bytes = new Uint8Array(1e7); for (;;) bytes.indexOf(1)
//# typed array sorted for ever => wall
const words = Uint32Array.from({length: 1e6}, (_, i) => (i * 2654435761) >>> 0); for (;;) words.toSorted()
//# typed array joined => memory
return new Uint8Array(2e7).join(',').length
//# array destructured from an iterator that never ends => wall
const [...all] = {[Symbol.iterator]: () => ({next: () => ({done: false, value: 1})})}; return all.length
