'use strict';
// Node.js in an execution environment: loads the handler, asks the cloud for events, answers them.
//
// It speaks over the channel, which it waits at without its event loop: between two invocations an environment stands
// still, as on Lambda, and the way through the event loop costs more than all else that an invocation takes. Answers that
// are written piece by piece go to the Runtime API. Whatever it shows to the function (context, errors, log lines) has the shape that Lambda gives it.

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
let channel;
let requestId;
let current = null;
// What the contexts of all invocations have in common.
let about;

// --- The channel ---------------------------------------------------------------------------------------------------

const [ASK, RESPONSE, ERROR, LAST_ERROR] = [0, 1, 2, 3];
const FRONT = 8;

/** One connection to the cloud: a message there, a message back. */
class Channel {
  constructor(address) {
    this.bytes = Buffer.allocUnsafeSlow(65536);
    // How much of a message has come.
    this.length = 0;
    const colon = address.lastIndexOf(':');
    const place = colon < 0 ? { path: `\0${address.slice(1)}` } : { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
    // They are read and written without the event loop, but for the first that happens to them.
    const connect = () =>
      new Promise((resolve) => {
        const socket = net.connect({ ...place, noDelay: true }, () => resolve(socket)).pause();
        // Nobody is left to work for.
        socket.on('error', () => process.exit(1));
      }).then((socket) => {
        socket._handle.setBlocking(true);
        return socket.unref();
      });
    // One for what it says, one for what it hears.
    this.connected = connect()
      .then((socket) => {
        this.says = socket;
        return connect();
      })
      .then((socket) => {
        this.hears = socket;
        this.handle = socket._handle;
      });
    this.turn = () => (this.lives ? this.listen() : this.receive());
    // A process that wants to hear signals, or is being debugged, must not stand still.
    this.lives = /--inspect/.test(env.NODE_OPTIONS);
    this.watch = (name) => {
      if (typeof name !== 'string' || !name.startsWith('SIG')) return;
      process.off('newListener', this.watch);
      this.lives = true;
    };
    process.on('newListener', this.watch);
  }

  /** Sends a message and waits for an event, once all that can happen at once has happened. */
  exchange(kind, head, body) {
    this.send(kind, head, body);
    setImmediate(this.turn);
  }

  send(kind, head, body) {
    let bytes = this.bytes;
    // Three bytes is the most that a unit of a string becomes.
    const most = FRONT + head.length + 3 * body.length;
    if (most > bytes.length) bytes = Buffer.allocUnsafe(FRONT + head.length + Buffer.byteLength(body));
    bytes.latin1Write(head, FRONT);
    const length = bytes.utf8Write(body, FRONT + head.length);
    bytes.writeUInt32LE(kind, 0);
    bytes.writeUInt16LE(head.length, 2);
    bytes.writeUInt32LE(length, 4);
    const end = FRONT + head.length + length;
    try {
      for (let offset = 0; offset < end; ) offset += fs.writeSync(this.says._handle.fd, bytes, offset, end - offset);
    } catch {
      process.exit(1);
    }
  }

  /** Takes an event as it comes. */
  receive() {
    while (!this.isWhole()) this.took(this.read(this.bytes.length - this.length));
    this.hand();
  }

  /** Reads at most so many bytes behind those that are there. */
  read(most) {
    try {
      return fs.readSync(this.handle.fd, this.bytes, this.length, most, null);
    } catch {
      return 0;
    }
  }

  /** Waits for an event as everything waits in Node. */
  listen() {
    this.handle.setBlocking(false);
    this.hears.ref();
    if (this.hears.listenerCount('data') === 0) {
      this.hears.on('data', (data) => {
        for (let offset = 0; offset < data.length; ) {
          const copied = data.copy(this.bytes, this.length, offset);
          offset += copied;
          this.took(copied);
          if (this.isWhole()) {
            this.hears.unref();
            this.hand();
          }
        }
      });
      this.hears.on('close', () => process.exit(1));
    }
    this.hears.resume();
  }

  took(count) {
    if (count === 0) process.exit(1);
    this.length += count;
  }

  /** Whether a whole message has come; makes room for it otherwise. */
  isWhole() {
    if (this.length < FRONT) return false;
    const total = FRONT + this.bytes.readUInt16LE(2) + this.bytes.readUInt32LE(4);
    if (total > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(total);
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    return this.length >= total;
  }

  hand() {
    const head = FRONT + this.bytes.readUInt16LE(2);
    const total = head + this.bytes.readUInt32LE(4);
    this.length = 0;
    invoke(this.bytes.toString('utf8', FRONT, head).split('\n'), this.bytes.toString('utf8', head, total));
  }

  /** Sends the last message, and waits until it has arrived. */
  sendLast(head, body) {
    this.handle.setBlocking(true);
    this.send(LAST_ERROR, head, body);
    this.read(FRONT);
  }

  close() {
    process.off('newListener', this.watch);
    for (const socket of [this.says, this.hears]) socket.removeAllListeners().on('error', () => {}).destroy();
  }
}

// --- The Runtime API -------------------------------------------------------------------------------------------

/** A connection to it, for one answer that is written piece by piece. */
class StreamedAnswer {
  constructor(address, id, headers) {
    const colon = address.lastIndexOf(':');
    this.socket = net.connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)), noDelay: true });
    this.socket.on('error', () => {});
    // What is not answered has nobody left to work for.
    this.ended = () => process.exit(1);
    this.socket.on('close', () => this.ended());
    this.socket.resume();
    let head = `POST /2018-06-01/runtime/invocation/${id}/response HTTP/1.1\r\nHost: ${address}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    this.socket.write(head + '\r\n');
    this.socket.unref();
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

  /** Ends it. What is given back settles when it has been taken. */
  close(trailers) {
    let end = '0\r\n';
    for (const name in trailers) end += `${name}: ${trailers[name]}\r\n`;
    this.socket.ref();
    this.socket.write(end + '\r\n');
    return new Promise((resolve) => {
      this.ended = resolve;
    });
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

/** The type of an error as a line of a head takes it. */
function plainType(answer) {
  return answer.errorType.slice(0, 1024).replace(/[^\x20-\x7e]/g, '?');
}

/** Ends an answer that has begun with an error. */
function breakOff(invocation, error) {
  const answer = toAnswer(error);
  return invocation.answer.close({
    'Lambda-Runtime-Function-Error-Type': plainType(answer),
    'Lambda-Runtime-Function-Error-Body': Buffer.from(JSON.stringify(answer)).toString('base64'),
  });
}

/** An error that nobody caught: it is the answer, and the end of this process. */
async function die(title, error, code) {
  logError(title, error);
  await channel.connected;
  if (current === null || !current.finished) {
    if (current !== null) current.finished = true;
    if (current?.answer) {
      await breakOff(current, error);
    } else {
      const answer = toAnswer(error);
      channel.sendLast(plainType(answer), JSON.stringify(answer));
    }
  }
  process.exit(code);
}

// --- Response streaming ------------------------------------------------------------------------------------------

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

/** What the handler writes to: each piece goes out as it comes. */
function responseStream(invocation) {
  const { Writable } = require('node:stream');
  const begin = () => {
    if (invocation.answer) return;
    const kind = stream.metadata === undefined ? stream.contentType : 'application/vnd.awslambda.http-integration-response';
    invocation.answer = new StreamedAnswer(env.AWS_LAMBDA_RUNTIME_API, invocation.id, {
      'Content-Type': kind ?? 'application/octet-stream',
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      Trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body',
    });
    // The status and the headers, then what separates them from the body.
    if (stream.metadata !== undefined) {
      invocation.answer.piece(Buffer.concat([Buffer.from(JSON.stringify(stream.metadata)), Buffer.alloc(8)]), () => {});
    }
  };
  const stream = new Writable({
    write(chunk, encoding, done) {
      if (invocation.finished) return done();
      begin();
      // Until the piece is out, the process has something to do.
      invocation.answer.socket.ref();
      invocation.answer.piece(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : Buffer.from(chunk), () => {
        if (!invocation.finished) invocation.answer.socket.unref();
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
    if (ends(invocation)) invocation.answer.close().then(ask);
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

function parseLine(text) {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function makeContext([id, deadline, arn, , clientContext, identity]) {
  // A look into `process.env` takes a quarter of a microsecond.
  about ??= {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
  };
  // One literal: to spread `about` into it takes five microseconds, this a twentieth of one.
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: about.functionVersion,
    functionName: about.functionName,
    memoryLimitInMB: about.memoryLimitInMB,
    logGroupName: about.logGroupName,
    logStreamName: about.logStreamName,
    clientContext: parseLine(clientContext),
    identity: parseLine(identity),
    invokedFunctionArn: arn,
    awsRequestId: id,
    getRemainingTimeInMillis: () => Number(deadline) - Date.now(),
  };
}

/** Whether this is the end of it, and not a second one. */
function ends(invocation) {
  if (invocation.finished) return false;
  invocation.finished = true;
  invocation.settle = undefined;
  return true;
}

/** Asks for an event. */
function ask() {
  channel.exchange(ASK, '', '');
}

function succeed(invocation, value) {
  let body;
  try {
    body = JSON.stringify(value === undefined ? null : value) ?? 'null';
  } catch (error) {
    return fail(invocation, new RuntimeError('MarshalError', `Unable to stringify response body: ${error.message}`, error));
  }
  if (ends(invocation)) channel.exchange(RESPONSE, '', body);
}

function fail(invocation, error) {
  if (invocation.finished) return;
  logError('Invoke Error', error);
  if (!ends(invocation)) return;
  if (invocation.answer) return breakOff(invocation, error).then(ask);
  const answer = toAnswer(error);
  channel.exchange(ERROR, plainType(answer), JSON.stringify(answer));
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

/** Takes an event: its payload, and what else is told of it. */
function invoke(told, body) {
  const [id, , , trace] = told;
  const invocation = { id, finished: false, settle: undefined, stream: undefined, answer: undefined };
  current = invocation;
  requestId = id;
  if (trace) env._X_AMZN_TRACE_ID = trace;
  else delete env._X_AMZN_TRACE_ID;

  let event;
  try {
    event = JSON.parse(body);
  } catch (error) {
    return fail(invocation, new RuntimeError('UnmarshalError', `Unable to parse the event: ${error.message}`, error));
  }
  const context = makeContext(told);
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
  channel = new Channel(env.ALOFT_CHANNEL);
  delete env.ALOFT_CHANNEL;
  loadHandler(env._HANDLER).then(
    async (loaded) => {
      handler = loaded;
      await channel.connected;
      ask();
      setHeapFlag(process.execArgv.find((it) => it.startsWith(HEAP)));
    },
    (error) => die('Uncaught Exception', error, 1),
  );
}

/**
 * Goes once through all that a first invocation takes, with a handler that does nothing and a cloud that says what it
 * must: what Node compiles when it is first called is compiled then. Nothing of it stays.
 */
function rehearse(done) {
  const place = '@aloft-rehearsal';
  const server = net.createServer();
  const sockets = [];
  const isToldOf = new Promise((resolve) => {
    server.on('connection', (socket) => {
      socket.on('error', () => {});
      // An event of one line, which is there before it is waited for.
      if (sockets.push(socket) === 2) socket.write('\x04\0\x02\0\x02\0\0\x000\n{}', resolve);
    });
  });
  server.listen({ path: `\0${place.slice(1)}` }, async () => {
    taskRoot = __dirname;
    channel = new Channel(place);
    handler = await loadHandler('rehearsal.handler');
    await channel.connected;
    await isToldOf;
    const { turn } = channel;
    channel.turn = () => {
      // The second time it would wait for another.
      channel.turn = () => {
        for (const socket of sockets) socket.destroy();
        server.close();
        channel.close();
        [taskRoot, plain, channel, handler, requestId, about, current] = [undefined, undefined, undefined, undefined, undefined, undefined, null];
        delete require.cache[path.join(__dirname, 'rehearsal.js')];
        module.children.length = 0;
        done();
      };
      turn();
    };
    ask();
  });
}

module.exports = { begin, rehearse };
if (require.main === module) begin();
