'use strict';
// Node.js in an execution environment: loads the handler, asks the Runtime API for events, answers them.
//
// It speaks HTTP over one plain socket, since Node's own HTTP client costs several times what an invocation costs
// otherwise. Whatever it shows to the function (context, errors, log lines) has the shape that Lambda gives it.

// Node's own modules were compiled ahead, for a V8 without flags: with the one that bounds the heap it would compile all of
// them again. It has read that by now; worker threads find it again once the function is loaded.
const HEAP = '--max-old-space-size=';
setHeapFlag(`${HEAP}0`);

const net = require('node:net');
const fs = require('node:fs');
const path = require('node:path');

const env = process.env;

let taskRoot;
// Set for `invoke local`: the function's output is shown to a person, who needs no timestamps.
let plain;
let api;
let requestId;
let current = null;

// --- The Runtime API -------------------------------------------------------------------------------------------

const HEAD_END = Buffer.from('\r\n\r\n');
const JSON_BODY = { 'Content-Type': 'application/json' };

class RuntimeApi {
  constructor(address) {
    const colon = address.lastIndexOf(':');
    this.host = address;
    this.pending = [];
    this.buffer = null;
    this.needed = 0;
    this.socket = net.connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)), noDelay: true });
    this.socket.on('data', (data) => this.receive(data));
    this.socket.on('error', () => {});
    // Nobody is left to work for.
    this.socket.on('close', () => process.exit(1));
  }

  send(method, action, body, headers) {
    let head = `${method} /2018-06-01/runtime/${action} HTTP/1.1\r\nHost: ${this.host}\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    if (body !== undefined) head += `Content-Length: ${Buffer.byteLength(body)}\r\n`;
    head += '\r\n';
    if (typeof body === 'string') {
      this.socket.write(head + body);
    } else {
      this.socket.write(head);
      if (body !== undefined) this.socket.write(body);
    }
    return new Promise((resolve) => this.pending.push(resolve));
  }

  /** Begins a request whose body comes in pieces. */
  open(action, headers) {
    let head = `POST /2018-06-01/runtime/${action} HTTP/1.1\r\nHost: ${this.host}\r\nTransfer-Encoding: chunked\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    this.socket.write(head + '\r\n');
    this.pending.push(() => {});
  }

  piece(data, done) {
    // An empty piece would be the end.
    if (data.length === 0) return process.nextTick(done);
    this.socket.cork();
    this.socket.write(`${data.length.toString(16)}\r\n`);
    this.socket.write(data);
    this.socket.write('\r\n', done);
    this.socket.uncork();
  }

  close(trailers) {
    let end = '0\r\n';
    for (const name in trailers) end += `${name}: ${trailers[name]}\r\n`;
    this.socket.write(end + '\r\n');
  }

  receive(data) {
    this.buffer = this.buffer === null ? data : Buffer.concat([this.buffer, data]);
    while (this.buffer !== null && this.buffer.length >= this.needed) {
      const end = this.buffer.indexOf(HEAD_END);
      if (end < 0) return;
      const lines = this.buffer.toString('utf8', 0, end).split('\r\n');
      const headers = {};
      for (let i = 1; i < lines.length; i++) {
        const colon = lines[i].indexOf(':');
        headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 1).trim();
      }
      const total = end + 4 + Number(headers['content-length'] || 0);
      if (this.buffer.length < total) {
        this.needed = total;
        return;
      }
      const body = this.buffer.toString('utf8', end + 4, total);
      const status = Number(lines[0].split(' ')[1]);
      this.needed = 0;
      this.buffer = this.buffer.length > total ? this.buffer.subarray(total) : null;
      this.pending.shift()({ status, headers, body });
    }
  }
}

// --- Logs ------------------------------------------------------------------------------------------------------

let wait;

/** Writes one log event. Line ends within it travel as carriage returns, so that it stays one event. */
function writeLog(text) {
  const bytes = Buffer.from(text.replace(/\r?\n/g, '\r') + '\n');
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += fs.writeSync(1, bytes, offset);
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
      wait ??= new Int32Array(new SharedArrayBuffer(4));
      Atomics.wait(wait, 0, 0, 1);
    }
  }
}

function logAs(level, ...values) {
  const { format } = require('node:util');
  writeLog(`${new Date().toISOString()}\t${requestId}\t${level}\t${format(...values)}`);
}

function logByConsole() {
  const levels = { trace: 'TRACE', debug: 'DEBUG', log: 'INFO', info: 'INFO', warn: 'WARN', error: 'ERROR' };
  for (const [method, level] of Object.entries(levels)) {
    console[method] = (...values) => logAs(level, ...values);
  }
}

// --- Errors ----------------------------------------------------------------------------------------------------

class RuntimeError extends Error {
  constructor(name, message, cause) {
    super(message);
    this.name = `Runtime.${name}`;
    if (cause instanceof Error && cause.stack) this.stack = `${this.name}: ${message}\n${stackOf(cause).slice(1).join('\n')}`;
  }
}

function stackOf(error) {
  return typeof error.stack === 'string' ? error.stack.split('\n') : [];
}

/** What the invoker gets to see. */
function toAnswer(error) {
  if (error instanceof Error || (error && typeof error === 'object' && 'message' in error && 'stack' in error)) {
    return { errorType: String(error.name ?? 'Error'), errorMessage: String(error.message), trace: stackOf(error) };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

/** What the log gets to see: the error's own fields as well. */
function toLog(error) {
  if (!(error instanceof Error)) return toAnswer(error);
  return { errorType: error.name, errorMessage: error.message, code: error.code, ...error, stack: stackOf(error) };
}

function logError(title, error) {
  if (plain) return;
  let text;
  try {
    text = JSON.stringify(toLog(error));
  } catch {
    text = JSON.stringify(toAnswer(error));
  }
  logAs('ERROR', `${title} \t${text}`);
}

function sendError(action, error) {
  const answer = toAnswer(error);
  return api.send('POST', action, JSON.stringify(answer), {
    'Content-Type': 'application/json',
    'Lambda-Runtime-Function-Error-Type': answer.errorType.replace(/[^\x20-\x7e]/g, '?'),
  });
}

/** Answers an invocation with an error; behind what has been streamed already, if there is any. */
function reportError(invocation, error) {
  if (!invocation.begun) return sendError(`invocation/${invocation.id}/error`, error);
  const answer = toAnswer(error);
  api.close({
    'Lambda-Runtime-Function-Error-Type': answer.errorType.replace(/[^\x20-\x7e]/g, '?'),
    'Lambda-Runtime-Function-Error-Body': Buffer.from(JSON.stringify(answer)).toString('base64'),
  });
  return new Promise((resolve) => api.pending.splice(api.pending.length - 1, 1, resolve));
}

/** An error that nobody caught: it is the answer, and the end of this process. */
async function die(title, error, code) {
  logError(title, error);
  api.socket.ref();
  if (current === null) {
    await sendError('init/error', error);
  } else if (!current.finished) {
    current.finished = true;
    await reportError(current, error);
  }
  process.exit(code);
}

// --- Response streaming ------------------------------------------------------------------------------------------

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

/** What the handler writes to: each piece goes out as it comes. */
function responseStream(invocation) {
  const { Writable } = require('node:stream');
  const begin = () => {
    if (invocation.begun) return;
    invocation.begun = true;
    const kind = stream.metadata === undefined ? stream.contentType : 'application/vnd.awslambda.http-integration-response';
    api.open(`invocation/${invocation.id}/response`, {
      'Content-Type': kind ?? 'application/octet-stream',
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      Trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body',
    });
    // The status and the headers, then what separates them from the body.
    if (stream.metadata !== undefined) {
      api.piece(Buffer.concat([Buffer.from(JSON.stringify(stream.metadata)), Buffer.alloc(8)]), () => {});
    }
  };
  const stream = new Writable({
    write(chunk, encoding, done) {
      if (invocation.finished) return done();
      begin();
      // Until the piece is out, the process has something to do.
      api.socket.ref();
      api.piece(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : Buffer.from(chunk), () => {
        if (!invocation.finished) api.socket.unref();
        done();
      });
    },
  });
  stream.setContentType = (contentType) => {
    stream.contentType = contentType;
  };
  stream.on('finish', () => {
    if (invocation.finished) return;
    begin();
    finish(invocation, () => api.close());
  });
  stream.on('error', (error) => fail(invocation, error));
  return stream;
}

const awslambda = {
  streamifyResponse(handler, options) {
    handler[STREAMING] = options ?? {};
    return handler;
  },
  HttpResponseStream: {
    from(stream, metadata) {
      stream.metadata = metadata;
      return stream;
    },
  },
};

// --- The handler -------------------------------------------------------------------------------------------------

/** `src/orders.api.create` is the export `api.create` of the module `src/orders`. */
async function loadHandler(text) {
  const directory = path.dirname(text);
  const match = /^([^.]*)\.(.*)$/.exec(path.basename(text));
  if (text.includes('..')) throw new RuntimeError('MalformedHandlerName', `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  if (!match) throw new RuntimeError('MalformedHandlerName', 'Bad handler');
  const [, module, member] = match;
  const exported = await loadModule(path.resolve(taskRoot, directory), module);
  let found = walk(exported, member);
  if (found === undefined) found = walk(exported.default, member);
  const name = text.slice(directory === '.' ? 0 : directory.length + 1);
  if (found === undefined) throw new RuntimeError('HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof found !== 'function') throw new RuntimeError('HandlerNotFound', `${name} is not a function`);
  return found;
}

function walk(value, member) {
  for (const name of member.split('.')) value = value?.[name];
  return value;
}

async function loadModule(directory, name) {
  const hasEndpoint = env.AWS_ENDPOINT_URL?.startsWith('http:');
  const file = path.join(directory, name);
  const asModule = (at) => {
    searchForModules();
    if (hasEndpoint) require('./endpoint.cjs').followModules();
    return import(require('node:url').pathToFileURL(at).href);
  };
  if (hasEndpoint) require('./endpoint.cjs').follow(env.AWS_ENDPOINT_URL);
  try {
    if (isFile(file)) return require(file);
    if (isFile(`${file}.js`)) return isEsModule(directory) ? await asModule(`${file}.js`) : await requireOrImport(`${file}.js`, asModule);
    if (isFile(`${file}.mjs`)) return await asModule(`${file}.mjs`);
    if (isFile(`${file}.cjs`)) return require(`${file}.cjs`);
    const typed = ['ts', 'mts', 'cts'].map((extension) => `${file}.${extension}`).find(isFile);
    if (typed !== undefined) return await loadTypeScript(typed, asModule);
    return require(require.resolve(name, { paths: [directory, taskRoot] }));
  } catch (error) {
    if (error instanceof SyntaxError) throw new RuntimeError('UserCodeSyntaxError', String(error), error);
    if (['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(error?.code)) {
      const sdk = /'(@aws-sdk\/[^']*|@smithy\/[^']*|aws-sdk[^']*)'/.exec(error.message);
      if (sdk) console.warn(`${sdk[1]} is not in the package. Run \`npm install ${sdk[1]}\` in the service's directory and deploy again.`);
      throw new RuntimeError('ImportModuleError', String(error), error);
    }
    throw error;
  }
}

/** TypeScript runs where Node itself leaves out the types: 22.18 and 23.6 and later. */
function loadTypeScript(file, asModule) {
  if (process.features.typescript) return asModule(file);
  const message = `${path.basename(file)} is TypeScript, which Node.js ${process.versions.node} does not run. Compile it to JavaScript (a bundler such as esbuild does), or install Node.js 22.18 or later.`;
  throw new RuntimeError('ImportModuleError', message);
}

/** Lambda lets ES modules find packages along NODE_PATH too, which Node itself does only for CommonJS. */
function searchForModules() {
  // It takes a thread.
  if (!env.NODE_PATH?.includes('/node_modules')) return;
  const hook = `
    const places = (process.env.NODE_PATH ?? '').split(':').filter((place) => place.endsWith('/node_modules'));
    export async function resolve(specifier, context, next) {
      try {
        return await next(specifier, context);
      } catch (error) {
        if (error.code !== 'ERR_MODULE_NOT_FOUND' || /^([./]|[a-z]+:)/.test(specifier)) throw error;
        for (const place of places) {
          const parentURL = new URL('file://' + encodeURI(place) + '/../none.mjs').href;
          try {
            return await next(specifier, { ...context, parentURL });
          } catch {}
        }
        throw error;
      }
    }`;
  require('node:module').register?.('data:text/javascript,' + encodeURIComponent(hook));
}

async function requireOrImport(file, asModule) {
  try {
    return require(file);
  } catch (error) {
    if (error?.code !== 'ERR_REQUIRE_ESM' && error?.code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error;
    return await asModule(file);
  }
}

function isFile(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** Whether the nearest `package.json` makes `.js` files ES modules. */
function isEsModule(directory) {
  for (let at = directory; at.startsWith(taskRoot); at = path.dirname(at)) {
    const file = path.join(at, 'package.json');
    if (isFile(file)) {
      try {
        return JSON.parse(fs.readFileSync(file, 'utf8')).type === 'module';
      } catch {
        return false;
      }
    }
    if (at === path.dirname(at)) break;
  }
  return false;
}

// --- Invocations -------------------------------------------------------------------------------------------------

function parseHeader(text) {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function makeContext(headers, deadline) {
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(headers['lambda-runtime-client-context']),
    identity: parseHeader(headers['lambda-runtime-cognito-identity']),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

/** Whether this is the end of it, and not a second one. */
function ends(invocation) {
  if (invocation.finished) return false;
  invocation.finished = true;
  invocation.settle = undefined;
  api.socket.ref();
  return true;
}

/** Answers, and asks for the next event in the same breath. */
function finish(invocation, send) {
  if (!ends(invocation)) return;
  api.socket.cork();
  send();
  next();
  api.socket.uncork();
}

function succeed(invocation, value) {
  let body;
  try {
    body = JSON.stringify(value === undefined ? null : value) ?? 'null';
  } catch (error) {
    return fail(invocation, new RuntimeError('MarshalError', `Unable to stringify response body: ${error.message}`, error));
  }
  if (ends(invocation)) api.send('POST', `invocation/${invocation.id}/response/next`, body, JSON_BODY).then(invoke);
}

function fail(invocation, error) {
  if (invocation.finished) return;
  logError('Invoke Error', error);
  finish(invocation, () => reportError(invocation, error));
}

// With nothing left to wait for, what a callback left behind is the answer; without one the answer is null.
function answerLeftOver() {
  const invocation = current;
  if (invocation === null || invocation.finished) return;
  if (invocation.settle) invocation.settle();
  else if (invocation.stream) invocation.stream.end();
  else succeed(invocation, null);
}

let handler;

function next() {
  api.send('GET', 'invocation/next').then(invoke);
}

function invoke({ status, headers, body }) {
  if (status !== 200) process.exit(1);
  const invocation = { id: headers['lambda-runtime-aws-request-id'], finished: false, settle: undefined, stream: undefined, begun: false };
  current = invocation;
  requestId = invocation.id;
  const trace = headers['lambda-runtime-trace-id'];
  if (trace) env._X_AMZN_TRACE_ID = trace;
  else delete env._X_AMZN_TRACE_ID;
  // While the handler runs, only its own work keeps the event loop going.
  api.socket.unref();

  let event;
  try {
    event = JSON.parse(body);
  } catch (error) {
    return fail(invocation, new RuntimeError('UnmarshalError', `Unable to parse the event: ${error.message}`, error));
  }
  const context = makeContext(headers, Number(headers['lambda-runtime-deadline-ms']));
  const callback = (error, value) => {
    if (invocation.finished || invocation.settle) return;
    invocation.settle = () => (error === null || error === undefined ? succeed(invocation, value) : fail(invocation, error));
    if (!context.callbackWaitsForEmptyEventLoop) setImmediate(invocation.settle);
  };
  const atOnce = (error, value) => {
    context.callbackWaitsForEmptyEventLoop = false;
    callback(error, value);
  };
  context.succeed = (value) => atOnce(null, value);
  context.fail = (error) => atOnce(error ?? 'handled');
  context.done = (error, value) => atOnce(error ?? null, value);

  try {
    if (handler[STREAMING] !== undefined) {
      invocation.stream = responseStream(invocation);
      Promise.resolve(handler(event, invocation.stream, context)).catch((error) => fail(invocation, error));
      return;
    }
    const result = handler(event, context, callback);
    if (typeof result?.then === 'function') {
      result.then((value) => succeed(invocation, value), (error) => fail(invocation, error));
    }
  } catch (error) {
    fail(invocation, error);
  }
}

function setHeapFlag(flag) {
  if (!process.execArgv.some((it) => it.startsWith(HEAP))) return;
  const warns = Object.getOwnPropertyDescriptor(process, 'noDeprecation');
  process.noDeprecation = true;
  try {
    // `require('v8')` would load half of what this is to make quick.
    process.binding('v8').setFlagsFromString(flag);
  } catch {
    // Then it takes a little longer.
  }
  if (warns) Object.defineProperty(process, 'noDeprecation', warns);
  else delete process.noDeprecation;
}

/** Becomes the function that the environment tells of. Nothing above depends on it, so that a process that waits has it loaded. */
function begin() {
  taskRoot = env.LAMBDA_TASK_ROOT;
  plain = env.ALOFT_PLAIN_LOGS === '1';
  delete env.ALOFT_PLAIN_LOGS;
  if (!plain) logByConsole();
  globalThis.awslambda = awslambda;
  process.on('uncaughtException', (error) => die('Uncaught Exception', error, 129));
  process.on('unhandledRejection', (reason) => {
    die('Unhandled Promise Rejection', new RuntimeError('UnhandledPromiseRejection', String(reason), reason), 128);
  });
  process.on('beforeExit', answerLeftOver);
  api = new RuntimeApi(env.AWS_LAMBDA_RUNTIME_API);
  loadHandler(env._HANDLER).then(
    (loaded) => {
      handler = loaded;
      next();
      setHeapFlag(process.execArgv.find((it) => it.startsWith(HEAP)));
    },
    (error) => die('Uncaught Exception', error, 1),
  );
}

/**
 * Goes once through all that a first invocation takes, with a handler that does nothing and a Runtime API that says what
 * it must: what Node compiles when it is first called is compiled then. Nothing of it stays.
 */
function rehearse(done) {
  const head = 'HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 0\r\nContent-Length: 2\r\n\r\n{}';
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(head);
      socket.once('data', () => {
        for (const it of [api.socket, socket]) it.removeAllListeners('close').on('error', () => {}).destroy();
        server.close();
        [taskRoot, plain, api, handler, requestId, current] = [undefined, undefined, undefined, undefined, undefined, null];
        delete require.cache[path.join(__dirname, 'rehearsal.js')];
        module.children.length = 0;
        done();
      });
    });
  });
  server.listen(0, '127.0.0.1', () => {
    taskRoot = __dirname;
    api = new RuntimeApi(`127.0.0.1:${server.address().port}`);
    loadHandler('rehearsal.handler').then((loaded) => {
      handler = loaded;
      next();
    });
  });
}

module.exports = { begin, rehearse };
if (require.main === module) begin();
