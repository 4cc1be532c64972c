// Calls of the host: floods, slow answers, requests in odd forms, answers that are too large.

//# a flood of log => log-lines
for (;;) log.info('x')
//# a flood of log, every error swallowed => log-lines
for (;;) try { log.error('x') } catch {}
//# log in a toJSON that logs => stack
const o = {toJSON() { log.info(o); return 1 }}; log.info(o)
//# a line of a megabyte and more => throws Error: this is too much for one call of the host (at most 1 MiB)
log.info('x'.repeat(2e6))
//# many parts => gives null
log.info(...Array(1e4).fill('x'))
//# a BigInt, a symbol, a function, an error => gives null
log.info(1n, Symbol('x'), () => 1, new Error('y'), undefined, null, NaN)
//# a circle => throws TypeError: circular reference
const a = []; a.push(a); log.info(a)
//# an object whose toString loops => wall
log.info({toJSON: () => undefined, toString() { for (;;); }})
//# control characters => gives null
log.info('\u0000\u001b[31m\r\n\u202e')
//# a flood of queries => queries
for (;;) db.query('SELECT 1')
//# a flood of queries, every error swallowed => queries
for (;;) try { db.query('SELECT 1') } catch {} finally { continue }
//# a flood of queries from promises => queries
return Promise.all(Array(1000).fill(0).map(async () => db.query('SELECT 1')))
//# a flood of queries from a comparator => queries
return Array.from({length: 1000}, (_, i) => i).sort(() => db.query('SELECT 1').length)
//# a flood of queries from a getter of the result => queries
return {get a() { for (;;) db.query('SELECT 1') }}
//# a flood of queries from what is thrown => queries
throw {toJSON() { for (;;) db.query('SELECT 1') }}
//# slow queries in a loop => wall
//+ slow 20
//+ queries 10000
for (;;) db.query('SELECT 1')
//# slow queries in a loop that swallows => wall
//+ slow 20
//+ queries 10000
for (;;) try { db.query('SELECT 1') } catch {} finally { continue }
//# one query that is slower than the deadline => wall
//+ slow 300
return db.query('SELECT 1')
//# fast queries without end => wall
//+ queries 10000
//+ rows-limit 1000000
//+ bytes 1000000000
for (;;) db.query('SELECT 1')
//# translations without end => wall
for (;;) t('x')
//# too many rows at once => rows
//+ answer 20000
return db.query('SELECT 1').length
//# too many rows over several => rows
//+ answer 400
for (;;) db.query('SELECT 1')
//# too many bytes => bytes
//+ answer 90
//+ width 100000
return db.query('SELECT 1').length
//# as many bytes as allowed do not fit into little memory => memory
//+ answer 70
//+ width 100000
//+ memory 8
return db.query('SELECT 1').length
//# a query of a megabyte and more => throws Error: this is too much for one call of the host (at most 1 MiB)
return db.query('SELECT ' + '1,'.repeat(1e6))
//# parameters of a megabyte and more => throws Error: this is too much for one call of the host (at most 1 MiB)
return db.query('SELECT $1', 'x'.repeat(2e6))
//# sixty thousand parameters => gives 1
return db.query('SELECT 1', ...Array(60000).fill(1)).length
//# a query with zero bytes and odd characters => gives 1
return db.query('SELECT \u0000 \ud800 \u202e', '\udc00').length
//# half a surrogate pair in a line of log, a key and a table => gives ["�","Error"]
log.warn('\ud800'); try { db.find('\ud800') } catch (e) { return [t('\ud800'), e.name] }
//# half a surrogate pair in the name of the function that hits a limit => queries
const o = {'\ud800'() { for (;;) db.query('SELECT 1') }}; o['\ud800']()
//# no query at all => throws TypeError: the query must be a text
return db.query()
//# a refusal is thrown and can be caught => gives "Error: refused: nothing is written here"
try { db.query('REFUSE nothing is written here') } catch (e) { return '' + e }
//# a failure is thrown => throws Error: failed
return db.query('FAIL')
//# columns with names of prototypes => gives [["__proto__","constructor","toString"],null]
const row = db.queryRow('ODD'); return [Object.keys(row), ({}).polluted]
//# a row is data, whatever its names => gives [1,"object"]
const row = db.queryRow('ODD'); return [row.__proto__, typeof Object.getPrototypeOf(row)]
//# a translation key that is an object => gives "[object Object]"
return t({})
//# a translation key that loops => wall
return t({toString() { for (;;); }})
//# a translation key of a megabyte and more => throws Error: this is too much for one call of the host (at most 1 MiB)
return t('x'.repeat(2e6))
//# the host's objects lead nowhere => gives ["base64","crypto","db","log","tenant","tickets","user"]
const found = []; for (const name of Object.getOwnPropertyNames(globalThis)) { const v = globalThis[name]; if (typeof v === 'object' && v !== null && v !== globalThis && ![Math, JSON, Reflect].includes(v)) found.push(name) } return found.sort()
//# a walk over everything ends => gives true
const seen = new Set(), waiting = [globalThis]; while (waiting.length) { const v = waiting.pop(); if (v === null || (typeof v !== 'object' && typeof v !== 'function') || seen.has(v)) continue; seen.add(v); waiting.push(Object.getPrototypeOf(v)); for (const k of Reflect.ownKeys(v)) { const d = Object.getOwnPropertyDescriptor(v, k); waiting.push(d.value, d.get, d.set) } } return seen.size > 500
//# everything on that walk is frozen, but the global object and the record => gives []
const seen = new Set(), waiting = [globalThis], open = []; while (waiting.length) { const v = waiting.pop(); if (v === null || (typeof v !== 'object' && typeof v !== 'function') || seen.has(v)) continue; seen.add(v); if (v !== globalThis && v !== item && v !== seen && v !== waiting && v !== open && !Object.isFrozen(v)) open.push(String(v.name ?? v)); waiting.push(Object.getPrototypeOf(v)); for (const k of Reflect.ownKeys(v)) { const d = Object.getOwnPropertyDescriptor(v, k); waiting.push(d.value, d.get, d.set) } } return open
//# no property on that walk is a function with the host's name => gives []
const seen = new Set(), waiting = [globalThis], hits = []; while (waiting.length) { const v = waiting.pop(); if (v === null || (typeof v !== 'object' && typeof v !== 'function') || seen.has(v)) continue; seen.add(v); if (typeof v === 'function' && /^(host|runJobs|seed|nesting)$/.test(v.name)) hits.push(v.name); waiting.push(Object.getPrototypeOf(v)); for (const k of Reflect.ownKeys(v)) { const d = Object.getOwnPropertyDescriptor(v, k); waiting.push(d.value, d.get, d.set) } } return hits
//# a result one byte over the limit => result-bytes
return 'x'.repeat(65535)
//# a result at the limit => gives 65534
return 'x'.repeat(65534).length
//# a result whose bytes are more than its letters => result-bytes
return '\u20ac'.repeat(30000)
//# a result that is a long list => result-bytes
return Array(1e5).fill(0)
//# a result that is a long list of texts => result-bytes
return Array(1e4).fill('x'.repeat(100))
//# an answer larger than the memory that is left => memory
//+ answer 1
//+ width 6000000
//+ memory 8
const keep = new Uint8Array(2e6); return db.query('SELECT 1').length + keep.length
//# a time that does not move => gives 0
const a = Date.now(); for (let i = 0; i < 1e5; i++); return Date.now() - a
//# a time that does not move, by host calls => gives 0
//+ slow 5
const a = Date.now(); db.query('SELECT 1'); return now() - a
