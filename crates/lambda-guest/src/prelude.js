// What lambdas see. Runs once, at build time, before any lambda exists; everything a request needs is reached through
// `dispatch`. Nothing of `native` is ever visible to a lambda.
(function (native) {
  'use strict';

  // ---- The way out: requests to the host -------------------------------------------------------------------------------

  const operation = { query: 1, log: 2, translate: 3, stopped: 4, find: 5, effect: 6 };
  const { parse, stringify } = JSON;
  const { apply, ownKeys, deleteProperty } = Reflect;
  const { getPrototypeOf, getOwnPropertyDescriptor, defineProperty, freeze, keys } = Object;
  const sourceOf = Function.prototype.call.bind(Function.prototype.toString);
  const isPromise = (value) => typeof value === 'object' && value !== null && value instanceof Promise;
  const settle = Function.prototype.call.bind(Promise.prototype.then);
  const global = globalThis;

  function ask(what, request) {
    const answer = parse(native.host(what, stringify(request)));
    // A limit is hit: the host is told where, and ends this instance there. No lambda can catch it.
    if (answer.limit) native.host(operation.stopped, stringify({ stack: new Error('').stack }));
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.ok;
  }

  // ---- db --------------------------------------------------------------------------------------------------------------

  function argument(value) {
    if (value === undefined) return null;
    if (typeof value === 'bigint') return value.toString();
    if (value instanceof Date) return value.toISOString();
    if (typeof value === 'function' || typeof value === 'symbol') {
      throw new TypeError('a query parameter must be a value, not a ' + typeof value);
    }
    return value;
  }

  const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

  // A misspelt option must not go unseen.
  function optionsOf(what, options, known) {
    if (options === undefined || options === null) return {};
    if (!isObject(options)) throw new TypeError(what + ' takes an object with ' + known.join(', '));
    for (const name of keys(options)) {
      if (!known.includes(name)) throw new TypeError(what + ': there is no option "' + name + '"; there are ' + known.join(', '));
    }
    return options;
  }

  // JSON drops what is undefined, and a condition that is dropped would match everything.
  function plain(place, value) {
    if (value === undefined || value === null) return value;
    if (Array.isArray(value)) return value.map((one) => plain(place, one === undefined ? missing(place) : one));
    if (!isObject(value)) return argument(value);
    const copy = {};
    for (const name of keys(value)) {
      const inside = place + '.' + name;
      const found = value[name];
      const safe = found === undefined ? missing(inside) : plain(inside, found);
      defineProperty(copy, name, { value: safe, writable: true, enumerable: true, configurable: true });
    }
    return copy;
  }

  function missing(place) {
    throw new TypeError(place + ' is undefined; write null to ask for what is not set');
  }

  function objectsOf({ columns, rows }) {
    return rows.map((values) => {
      const row = {};
      for (let at = 0; at < columns.length; at++) {
        defineProperty(row, columns[at], { value: values[at], writable: true, enumerable: true, configurable: true });
      }
      return row;
    });
  }

  function rowsOf(sql, args) {
    if (typeof sql !== 'string') throw new TypeError('the query must be a text');
    const answer = ask(operation.query, { sql, args: args.map(argument) });
    const { columns } = answer;
    const coercible = columns.length === 1;
    return objectsOf(answer).map((row) => {
      if (coercible) {
        // `'' + db.queryRow('SELECT name ...')` is that name, as some modules expect.
        const primitive = () => (row[columns[0]] === null || row[columns[0]] === undefined ? '' : row[columns[0]]);
        defineProperty(row, Symbol.toPrimitive, { value: primitive });
        defineProperty(row, 'toString', { value: () => '' + primitive(), writable: true, configurable: true });
      }
      return row;
    });
  }

  const db = {
    query(sql, ...args) {
      return rowsOf(sql, args);
    },
    queryRow(sql, ...args) {
      const rows = rowsOf(sql, args);
      return rows.length > 0 ? rows[0] : null;
    },
    find(table, options) {
      const { where, columns, order, limit } = optionsOf('db.find', options, ['where', 'columns', 'order', 'limit']);
      return objectsOf(ask(operation.find, { table, where: plain('where', where), columns, order, limit, count: false }));
    },
    get(table, id, options) {
      const { columns } = optionsOf('db.get', options, ['columns']);
      const where = isObject(id) ? plain('where', optionsOf('db.get', id, ['where']).where) : plain('where', { id });
      if (where === undefined || where === null) throw new TypeError('db.get needs an id or {where: ...}');
      const rows = objectsOf(ask(operation.find, { table, where, columns, limit: 1, count: false }));
      return rows.length > 0 ? rows[0] : null;
    },
    count(table, where) {
      return ask(operation.find, { table, where: plain('where', where), count: true }).rows[0][0];
    },
  };

  // ---- What only events, actions and schedules may use ------------------------------------------------------------------

  function act(effect, args, module) {
    return ask(operation.effect, { effect, module, args: args.map((value) => (value === undefined ? null : value)) });
  }

  function records(module) {
    return freeze({
      find(options) {
        const { where, order, limit } = optionsOf('records.find', options, ['where', 'order', 'limit']);
        return act('records.find', [{ where: plain('where', where), order, limit }], module);
      },
      get: (id) => act('records.get', [argument(id)], module),
      create: (values) => act('records.create', [values], module),
      update: (id, values) => act('records.update', [argument(id), values], module),
    });
  }

  const tickets = {
    get: (id) => act('tickets.get', [argument(id)]),
    update: (id, changes) => act('tickets.update', [argument(id), changes]),
    addNote: (id, note) => act('tickets.addNote', [argument(id), note]),
  };

  const notify = (message) => act('notify', [message]);
  const queue = (event, payload, options) => act('queue', [event, payload, options]);

  // ---- Log, translation, crypto, base64 ---------------------------------------------------------------------------------

  function lineOf(parts) {
    return parts
      .map((part) => {
        if (typeof part === 'string') return part;
        if (part instanceof Error) return '' + part;
        const json = typeof part === 'bigint' ? undefined : stringify(part);
        return json === undefined ? String(part) : json;
      })
      .join(' ');
  }

  const log = {};
  for (const level of ['debug', 'info', 'warn', 'error']) {
    log[level] = function (...parts) {
      ask(operation.log, { level, message: lineOf(parts) });
    };
  }

  function t(key, fallback) {
    const text = ask(operation.translate, { key: String(key) });
    if (text !== null) return text;
    return fallback === undefined ? String(key) : String(fallback);
  }

  const crypto = {
    sha256: (text) => native.sha256(String(text)),
    hmacSha256: (key, text) => native.hmacSha256(String(key), String(text)),
    randomUUID: () => native.uuid(),
  };

  const base64 = {
    encode: (text) => native.base64Encode(String(text)),
    decode: (text) => native.base64Decode(String(text)),
  };

  // ---- html -------------------------------------------------------------------------------------------------------------

  const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

  const special = /[&<>"']/;

  // A text without special characters is nearly always what there is.
  function escapeText(text) {
    return special.test(text) ? text.replace(/[&<>"']/g, (character) => entities[character]) : text;
  }

  // The markup of what `html` made; undefined for anything else, also for what inherits from it. Lambdas cannot reach this.
  let markupOf;

  // Markup that is not escaped again when it is interpolated.
  class Html {
    #markup;
    static {
      markupOf = (value) => (#markup in value && getPrototypeOf(value) === Html.prototype ? value.#markup : undefined);
    }
    constructor(markup) {
      this.#markup = markup;
      freeze(this);
    }
    toString() {
      return this.#markup;
    }
    toJSON() {
      return this.#markup;
    }
    static escape(value) {
      if (value === null || value === undefined) return '';
      if (typeof value === 'object' && #markup in value) return value.#markup;
      if (Array.isArray(value)) return value.map(Html.escape).join('');
      return escapeText(String(value));
    }
  }

  function html(texts, ...values) {
    if (!Array.isArray(texts) || !Array.isArray(texts.raw)) throw new TypeError('write html`...`: it is a template tag');
    let markup = texts[0];
    for (let at = 0; at < values.length; at++) {
      const value = values[at];
      markup += (typeof value === 'string' ? escapeText(value) : Html.escape(value)) + texts[at + 1];
    }
    return new Html(markup);
  }

  // ---- Dates and numbers as the pages show them ---------------------------------------------------------------------------

  const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  const written = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2}))?/;

  // `Jan 2, 2006 3:04 PM`. A text shows the time that it says, without moving it to another zone; a date without a time shows none.
  function formatDate(value) {
    if (value === null || value === undefined || value === '') return '-';
    if (typeof value === 'number') value = new Date(value);
    if (value instanceof Date) {
      if (Number.isNaN(value.getTime())) return '-';
      value = value.toISOString();
    }
    const text = String(value);
    const parts = written.exec(text);
    if (parts === null) return text;
    const month = months[parts[2] - 1];
    if (month === undefined) return text;
    const day = month + ' ' + +parts[3] + ', ' + parts[1];
    if (parts[4] === undefined) return day;
    const hour = +parts[4];
    return day + ' ' + (hour % 12 === 0 ? 12 : hour % 12) + ':' + parts[5] + (hour < 12 ? ' AM' : ' PM');
  }

  // `1,234.50`: thousands by comma; as many decimals as asked for, otherwise as many as the number has.
  function formatNumber(value, decimals) {
    if (value === null || value === undefined || value === '') return '-';
    const number = Number(value);
    if (!Number.isFinite(number)) return '-';
    const text = decimals === undefined ? String(number) : number.toFixed(decimals);
    // `1e+21` has no thousands to show.
    if (text.includes('e')) return text;
    const point = text.indexOf('.');
    const first = text[0] === '-' ? 1 : 0;
    let end = point < 0 ? text.length : point;
    let grouped = point < 0 ? '' : text.slice(point);
    for (; end - first > 3; end -= 3) grouped = ',' + text.slice(end - 3, end) + grouped;
    return text.slice(0, end) + grouped;
  }

  // ---- Hygiene ------------------------------------------------------------------------------------------------------------

  for (const name of ['eval', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry', 'performance']) {
    deleteProperty(global, name);
  }
  for (const name of ['detachArrayBuffer', 'gc', 'navigator', 'print', 'console', 'scriptArgs', 'queueMicrotask']) {
    deleteProperty(global, name);
  }

  // Setters of QuickJS's own, which freezing does not stop: an author's function would see our stacks.
  for (const name of ['prepareStackTrace', 'stackTraceLimit']) deleteProperty(Error, name);

  // The four constructors that make code from text; each function can reach one of them.
  function NoFunction() {
    throw new TypeError('code cannot be made from text here');
  }
  const functionPrototype = Function.prototype;
  for (const example of [function () {}, async function () {}, function* () {}, async function* () {}]) {
    defineProperty(getPrototypeOf(example), 'constructor', {
      value: NoFunction,
      writable: false,
      enumerable: false,
      configurable: false,
    });
  }
  defineProperty(NoFunction, 'name', { value: 'Function' });
  defineProperty(NoFunction, 'prototype', { value: functionPrototype, writable: false });
  defineProperty(global, 'Function', { value: NoFunction, writable: false, enumerable: false, configurable: false });

  defineProperty(Math, 'random', { value: () => native.random(), writable: true, configurable: true });

  const provided = {
    db, log, t, crypto, base64, html, formatDate, formatNumber, now: () => new Date(), records, tickets, notify, queue,
  };
  for (const name of keys(provided)) {
    defineProperty(global, name, { value: provided[name], writable: false, enumerable: false, configurable: false });
  }

  // A frozen prototype would also forbid `error.name = ...` or `object.toString = ...` on what inherits from it. These few become
  // accessors that put the value onto the object itself.
  function overridable(prototype, names) {
    for (const name of names) {
      const found = getOwnPropertyDescriptor(prototype, name);
      if (found === undefined || !('value' in found)) continue;
      const value = found.value;
      defineProperty(prototype, name, {
        get: () => value,
        set(changed) {
          if (this === prototype) throw new TypeError(name + ' cannot be changed for all objects');
          defineProperty(this, name, { value: changed, writable: true, enumerable: true, configurable: true });
        },
        enumerable: false,
        configurable: false,
      });
    }
  }
  overridable(Object.prototype, ['constructor', 'hasOwnProperty', 'toLocaleString', 'toString', 'valueOf']);
  overridable(Array.prototype, ['toString']);
  overridable(Date.prototype, ['toString']);
  for (const kind of [
    Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError, InternalError, SuppressedError,
  ]) {
    overridable(kind.prototype, ['constructor', 'message', 'name', 'toString']);
  }

  // Freezes everything that can be reached from the global object and from syntax.
  const seen = new Set();
  function freezeAll(root) {
    const waiting = [root];
    while (waiting.length > 0) {
      const value = waiting.pop();
      if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) continue;
      seen.add(value);
      if (value !== global) freeze(value);
      waiting.push(getPrototypeOf(value));
      for (const key of ownKeys(value)) {
        const property = getOwnPropertyDescriptor(value, key);
        waiting.push(property.value, property.get, property.set);
      }
    }
  }
  freezeAll(global);
  for (const example of [
    function () {}, async function () {}, function* () {}, async function* () {}, (function* () {})(), (async function* () {})(),
    [][Symbol.iterator](), ''[Symbol.iterator](), new Map().entries(), new Set().entries(), 'a'.matchAll(/a/g), /a/, Html,
    Html.prototype, [].values().map((x) => x), Iterator.from({ next() {} }), (function () { return arguments; })(),
  ]) {
    freezeAll(example);
  }
  for (const name of ownKeys(global)) {
    const property = getOwnPropertyDescriptor(global, name);
    if ('value' in property) defineProperty(global, name, { writable: false, configurable: false });
  }

  // ---- Running ------------------------------------------------------------------------------------------------------------

  // `name` is where the lambda stands in the request: `lambda/0`. Its first line is line 2 of what is compiled.
  function compile(name, body) {
    const source = 'function (item) {\n' + body + '\n}';
    const lambda = native.compile(name, '(' + source + ')');
    // `}); ... (function () {` compiles too, but is not one function body.
    if (typeof lambda !== 'function' || sourceOf(lambda) !== source) {
      const error = new SyntaxError("unexpected '}': it ends the lambda before its last line");
      error.stack = '';
      throw error;
    }
    return frozen(lambda);
  }

  // All rows of a batch call the same function, which a lambda can reach as `arguments.callee`.
  function frozen(lambda) {
    freeze(lambda.prototype);
    return freeze(lambda);
  }

  // A condition is an expression (`item.state === 'open'`) or a function body that returns.
  function compileCondition(name, text) {
    const source = 'function (item) { return (\n' + text.replace(/[;\s]+$/, '') + '\n) }';
    try {
      const lambda = native.compile(name, '(' + source + ')');
      if (typeof lambda === 'function' && sourceOf(lambda) === source) return { lambda: frozen(lambda), returns: true };
    } catch {
      // Then it is a function body, or an error in that form.
    }
    return { lambda: compile(name, text), returns: false };
  }

  function decide({ lambda, returns }, item) {
    const value = run(lambda, item);
    if (value === undefined && !returns) throw new TypeError('the condition decides nothing; end it with `return`');
    return value ? 'true' : 'false';
  }

  // Never runs code of the lambda except through the getters and `toString` of what it threw, under the same deadline.
  function describe(thrown) {
    try {
      if (thrown instanceof Error) {
        return { name: String(thrown.name), message: String(thrown.message), stack: String(thrown.stack) };
      }
      return { name: null, message: typeof thrown === 'object' && thrown !== null ? stringify(thrown) : String(thrown), stack: '' };
    } catch {
      return { name: null, message: 'an error that cannot be shown', stack: '' };
    }
  }

  function run(lambda, item) {
    return settled(lambda(item));
  }

  // Runs what promises wait for; of a promise the value that it was kept with.
  function settled(value) {
    if (!isPromise(value)) {
      native.runJobs();
      return value;
    }
    let state = 'pending';
    settle(
      value,
      (result) => {
        state = 'kept';
        value = result;
      },
      (reason) => {
        state = 'broken';
        value = reason;
      },
    );
    native.runJobs();
    if (state === 'pending') throw new Error('the promise that was returned never settles');
    if (state === 'broken') throw value;
    return value;
  }

  // A result as JSON text, within the limits; `over` says that it is not, and the text which limit: `{l: ...}`.
  function encode(value, limits) {
    if (value === undefined || value === null) return { json: 'null' };
    if (typeof value === 'function' || typeof value === 'symbol') {
      throw new TypeError('the lambda returned a ' + typeof value + '; return a text, a number or an object');
    }
    if (typeof value === 'bigint') value = value.toString();
    const json = stringify(value);
    if (json === undefined) return { json: 'null' };
    // A character is at most three bytes, and a level at least two characters.
    if (json.length > limits.bytes || (json.length * 3 > limits.bytes && native.bytes(json) > limits.bytes)) {
      return { json: '{"l":"bytes"}', over: true };
    }
    if (typeof value === 'object' && json.length > limits.nesting * 2 && native.nesting(json) > limits.nesting) {
      return { json: '{"l":"nesting"}', over: true };
    }
    return { json };
  }

  // Undeclared variables become properties of the global object: what one row leaves there, the next must not find. The host knows
  // which lambdas leave none (`leaves.rs`).
  function sweep() {
    for (const name of keys(global)) deleteProperty(global, name);
  }

  // The computed fields below find the value in the record. A lambda that has frozen its record, or put a setter there that throws,
  // keeps it from them, and costs no other row anything.
  function remember(item, name, value) {
    try {
      item[name] = value;
    } catch {
      // Theirs is `undefined` then.
    }
    return value;
  }

  // What a computed field gives for one row: the value itself when it is no object, `{j: JSON text}`, `{e: error}` or `{l: limit}`.
  // What is no object is written with the whole answer: nothing of the lambda can run then, and one call for all costs a tenth of one
  // for each. Promises that can change an object run before it is written, others when the row is done.
  function cell(field, item, limits) {
    const { lambda, name } = field;
    try {
      let value = lambda(item);
      if (typeof value === 'object' && value !== null) {
        const markup = markupOf(value);
        value = typeof markup === 'string' ? markup : settled(value);
      }
      switch (typeof value) {
        case 'string':
          // A character is at most six when it is escaped.
          if (value.length * 6 + 2 <= limits.bytes) return remember(item, name, value);
          break;
        case 'number':
        case 'boolean':
          return remember(item, name, value);
      }
      const { json, over } = encode(value, limits);
      if (over) {
        remember(item, name, null);
        return parse(json);
      }
      // What the host sees, and not something that can be changed behind our back.
      if (field.read) remember(item, name, parse(json));
      return { j: json };
    } catch (thrown) {
      remember(item, name, null);
      return { e: describe(thrown) };
    }
  }

  const calls = {
    // Answers with one list per row, with one entry per wanted lambda.
    cells({ lambdas, leaves, columns, rows, limits }) {
      const compiled = lambdas.map(({ name, source, wanted, read }, at) => {
        try {
          return { lambda: compile('lambda/' + at, source), name, wanted, read };
        } catch (thrown) {
          return { error: { e: describe(thrown) }, wanted };
        }
      });
      const cells = rows.map((values) => {
        const item = {};
        for (let at = 0; at < columns.length; at++) item[columns[at]] = values[at];
        const answer = [];
        for (let at = 0; at < compiled.length; at++) {
          const field = compiled[at];
          const given = field.error ?? cell(field, item, limits);
          if (field.wanted) answer[answer.length] = given;
        }
        native.runJobs();
        if (leaves) sweep();
        return answer;
      });
      return stringify({ cells });
    },

    // Answers with the item as the hook left it and with what it found wrong.
    hook({ lambda, item, limits }) {
      const failures = [];
      const fail = (field, text) => {
        if (text === undefined) [field, text] = ['', field];
        failures.push({ field: String(field ?? ''), text: String(text) });
      };
      defineProperty(global, 'fail', { value: fail, writable: false, enumerable: false, configurable: false });
      try {
        run(compile('lambda/0', lambda), item);
        const encoded = encode(item, limits);
        if (encoded.over) return encoded.json;
        return '{"item":' + encoded.json + ',"failures":' + stringify(failures) + '}';
      } catch (thrown) {
        return '{"e":' + stringify(describe(thrown)) + '}';
      }
    },

    // Answers with the value, like one cell. What it is about is global, beside the functions.
    value({ lambda, item, context, limits }) {
      for (const name of keys(context)) {
        defineProperty(global, name, { value: context[name], writable: false, enumerable: false, configurable: false });
      }
      if (context.items !== undefined && context.items.length > 0) item = context.items[0];
      try {
        const encoded = encode(run(compile('lambda/0', lambda), item), limits);
        return encoded.over ? encoded.json : '{"v":' + encoded.json + '}';
      } catch (thrown) {
        return '{"e":' + stringify(describe(thrown)) + '}';
      }
    },

    // Answers with one boolean per condition, like cells. None can leave anything for the next.
    conditions({ lambdas, item }) {
      const text = stringify(item);
      const answers = lambdas.map(({ source }, at) => {
        try {
          const answer = decide(compileCondition('lambda/' + at, source), parse(text));
          return '{"v":' + answer + '}';
        } catch (thrown) {
          return '{"e":' + stringify(describe(thrown)) + '}';
        } finally {
          sweep();
        }
      });
      return '{"conditions":[' + answers.join(',') + ']}';
    },

    // Compiles without running; answers with one error or null per lambda.
    check({ lambdas }) {
      return stringify({
        checked: lambdas.map(({ source }, at) => {
          try {
            compile('lambda/' + at, source);
            return null;
          } catch (thrown) {
            return describe(thrown);
          }
        }),
      });
    },
  };

  return function dispatch(request) {
    native.seed(request.entropy.join());
    // All rows of a batch see these.
    if (request.user !== null) freeze(request.user.groups);
    for (const name of ['user', 'tenant']) {
      defineProperty(global, name, { value: freeze(request[name]), writable: false, enumerable: false, configurable: false });
    }
    return calls[request.call](request);
  };
})
