// Numbers without end.

//# squared for ever => throws RangeError: BigInt is too large to allocate
let b = 2n; for (;;) b *= b
//# squared and kept => throws RangeError: BigInt is too large to allocate
const all = []; let b = 3n; for (;;) { b *= b; all.push(b) }
//# power beyond what is held => throws RangeError: BigInt is too large
return (2n ** 80000000n).toString().length
//# power within it, in decimal, again and again => wall
for (;;) (2n ** 1000000n - 1n).toString()
//# in base 3 => wall
for (;;) (2n ** 300000n - 1n).toString(3)
//# read from a long text => wall
const digits = '9'.repeat(3e5); for (;;) BigInt(digits)
//# shifted far => throws RangeError: BigInt is too large to allocate
return 1n << 2n ** 40n
//# shifted by the largest length => throws RangeError: BigInt is too large to allocate
return (1n << 8388608n) > 0n
//# divided for ever => wall
const a = 3n ** 400000n, b = 7n ** 100000n; for (;;) a / b
//# remainder for ever => wall
const a = 3n ** 400000n, b = 7n ** 100000n; for (;;) a % b
//# multiplied for ever => wall
const a = 3n ** 300000n; for (;;) a * a
//# asUintN of everything => throws RangeError: BigInt is too large to allocate
return BigInt.asUintN(2 ** 53 - 1, -1n) !== 0n
//# power tower => throws RangeError: BigInt is too large to allocate
return 9n ** 9n ** 9n ** 9n
//# factorial => wall
let f = 1n; for (let i = 1n; ; i++) f *= i
//# fibonacci => wall
let [a, b] = [0n, 1n]; for (;;) [a, b] = [b, a + b]
//# many large ones => memory
const a = []; for (let i = 0n; ; i++) a.push(2n ** 10000n + i)
//# compared with numbers for ever => wall
const a = 2n ** 500000n; for (;;) a < 1e300
//# returned is a text => gives "12345678901234567890"
return 12345678901234567890n
