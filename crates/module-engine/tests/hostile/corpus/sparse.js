// Real arrays with one element at the far end.

//# sort => wall
const a = []; a[4294967294] = 1; return a.sort()
//# reverse => wall
const a = []; a[4294967294] = 1; return a.reverse()
//# join with nothing between => wall
const a = []; a[4294967294] = 1; return a.join('')
//# join with something between => memory
//+ memory 8
return Array(1e9).join('x')
//# indexOf => wall
const a = []; a[4294967294] = 1; return a.indexOf(2)
//# lastIndexOf => wall
const a = []; a[4294967294] = 1; return a.lastIndexOf(2)
//# includes => wall
const a = []; a[4294967294] = 1; return a.includes(2)
//# flat => wall
const a = []; a[4294967294] = 1; return a.flat()
//# forEach => wall
const a = []; a[4294967294] = 1; a.forEach(() => 0)
//# map => wall
const a = []; a[4294967294] = 1; return a.map(() => 0).length
//# concat => wall
const a = []; a[4294967294] = 1; return a.concat([1]).length
//# slice => wall
const a = []; a[4294967294] = 1; return a.slice().length
//# splice at the front => wall
const a = []; a[4294967294] = 1; return a.splice(0, 1)
//# unshift past the end => wall
const a = []; a[4294967294] = 1; return a.unshift(1)
//# shift => wall
const a = []; a[4294967294] = 1; return a.shift()
//# copyWithin => wall
const a = []; a[4294967294] = 1; return a.copyWithin(0, 1).length
//# fill => memory
return Array(4e9).fill(1)
//# spread => memory
//+ memory 8
const a = []; a[4294967294] = 1; return [...a].length
//# JSON => memory
//+ memory 8
const a = []; a[4294967294] = 1; return JSON.stringify(a)
//# returned as the result => memory
//+ memory 8
const a = []; a[4294967294] = 1; return a
//# for of => wall
const a = []; a[4294967294] = 1; for (const x of a);
//# for in has one step => gives "4294967294"
const a = []; a[4294967294] = 1; for (const x in a) return x
//# shortened again => gives 0
const a = []; a[4294967294] = 1; a.length = 0; return a.length
//# toString => memory
//+ memory 8
return String(Array(2 ** 32 - 1))
//# a long array as a property key => memory
//+ memory 8
return {}[Array(2 ** 32 - 1)]
//# a length beyond arrays => throws RangeError: invalid array length
const a = []; a.length = 2 ** 32
