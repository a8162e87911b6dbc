'use strict';
// Answers to the cloud's CloudFormation that are sent by https, which the cloud does not speak, go by http.
//
// Providers of custom resources, those of the CDK among them, use https whatever the address says that they are to
// answer to, and may drop its port. Nothing else that a function sends is touched.

const Module = require('node:module');

const ANSWERS = '/_aws/cloudformation/';

/** The options that Node's `request` is called with, in one object, and the callback. */
function options(first, second, third) {
  if (typeof first === 'string') first = new URL(first);
  const isUrl = first instanceof URL;
  const [given, callback] = isUrl && typeof second !== 'function' ? [second, third] : [isUrl ? undefined : first, second];
  return [isUrl ? { ...require('node:url').urlToHttpOptions(first), ...given } : given, callback];
}

function patch(https, endpoint) {
  const http = require('node:http');
  for (const name of ['request', 'get']) {
    const original = https[name];
    https[name] = function (...values) {
      let [asked, callback] = [];
      try {
        [asked, callback] = options(...values);
      } catch {
        // The original says what is wrong.
      }
      const host = asked?.hostname ?? asked?.host;
      if (host !== endpoint.hostname || !asked.path?.startsWith(ANSWERS)) return original.apply(this, values);
      const { agent, defaultPort, ...others } = asked;
      return http[name]({ ...others, protocol: 'http:', hostname: endpoint.hostname, port: endpoint.port }, callback);
    };
  }
}

/** Patches https when the function loads it. */
exports.follow = (url) => {
  const load = Module._load;
  Module._load = function (request, ...others) {
    const loaded = load.call(this, request, ...others);
    if (request === 'https' || request === 'node:https') {
      Module._load = load;
      patch(loaded, new URL(url));
    }
    return loaded;
  };
};

/** The same for ES modules, which load it unseen. */
exports.followModules = () => {
  require('node:https');
  Module.syncBuiltinESMExports();
};
