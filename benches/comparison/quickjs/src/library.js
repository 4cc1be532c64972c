// What the lambdas of the workload use beside the language; the results are compared with those of the sandbox.
(() => {
  'use strict';
  const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

  globalThis.formatDate = (text) => {
    const [, year, month, day, hour, minute] = /^(\d{4})-(\d{2})-(\d{2}) (\d{2}):(\d{2})/.exec(text);
    const time = (hour % 12 === 0 ? 12 : hour % 12) + ':' + minute + (hour < 12 ? ' AM' : ' PM');
    return months[month - 1] + ' ' + Number(day) + ', ' + year + ' ' + time;
  };

  globalThis.formatNumber = (number, decimals) => {
    const [whole, fraction] = number.toFixed(decimals).split('.');
    return whole.replace(/\B(?=(\d{3})+$)/g, ',') + '.' + fraction;
  };

  globalThis.html = (texts, ...values) =>
    texts.reduce((markup, text, at) => markup + String(values[at - 1]).replace(/[&<>"']/g, (c) => entities[c]) + text);

  globalThis.runBatch = (request) => {
    const { lambdas, rows } = JSON.parse(request);
    const compiled = lambdas.map(({ source }) => new Function('item', source));
    return JSON.stringify(rows.map((item) => compiled.map((lambda) => lambda(item))));
  };
})();
