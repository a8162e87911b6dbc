// Runs a JavaScript file of a service and answers over stdin and stdout, one JSON value a line.
//
// First line in: {path, address, options, isConfiguration}. Lines out: {property: [keys]}, {variable: text} and {string: text},
// each answered by {value}, and at last {result} or {error}. What the file prints goes to stderr.
'use strict';

const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');
const { execFileSync } = require('child_process');
const { pathToFileURL } = require('url');

process.stdout.write = process.stderr.write.bind(process.stderr);

const say = (message) => {
  let rest = Buffer.from(`${JSON.stringify(message)}\n`);
  while (rest.length) {
    try {
      rest = rest.subarray(fs.writeSync(1, rest));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
};

const waiting = [];
const ask = (question) =>
  new Promise((resolve) => {
    waiting.push(resolve);
    say(question);
  });

const described = (error) => (error && error.isPlain ? error.message : String((error && error.stack) || error));

const failing = (what, error) => {
  say({ error: `${what}: ${described(error)}` });
  process.exit(0);
};

// Who can read TypeScript, best first: hooks that register themselves, and compilers that need one.
const TYPESCRIPT = [
  ['tsx/cjs', () => {}],
  ['ts-node/register/transpile-only', () => {}],
  ['esbuild', (it) => hook((text, file) => it.transformSync(text, { loader: 'ts', format: 'cjs', target: 'node18', sourcefile: file }).code)],
  ['typescript', (it) => hook((text, fileName) => it.transpileModule(text, { fileName, compilerOptions: { module: 1, target: 9, esModuleInterop: true } }).outputText)],
];

const hook = (compile) => {
  const load = (module, file) => module._compile(compile(fs.readFileSync(file, 'utf8'), file), file);
  for (const extension of ['.ts', '.cts']) require.extensions[extension] = load;
};

const useTypeScript = (local) => {
  // What is installed for all is looked for last: asking npm where takes a while.
  const places = [() => local, () => createRequire(`${execFileSync('npm', ['root', '-g'], { encoding: 'utf8' }).trim()}/_`)];
  for (const place of places) {
    let from;
    for (const [name, use] of TYPESCRIPT) {
      try {
        from ||= place();
        return use(from(name));
      } catch (error) {
        if (error.code !== 'MODULE_NOT_FOUND' && error.code !== 'ENOENT') throw error;
      }
    }
    // Node itself can from 23.6 on.
    if (process.features.typescript) return undefined;
  }
  throw Object.assign(new Error('TypeScript needs one of these in the service: npm install --save-dev tsx'), { isPlain: true });
};

const load = async (file, isConfiguration) => {
  if (file.endsWith('.mjs')) return (await import(pathToFileURL(file))).default;
  const local = createRequire(file);
  if (file.endsWith('.ts')) useTypeScript(local);
  const loaded = local(file);
  return isConfiguration && loaded && loaded.default && loaded.__esModule ? loaded.default : loaded;
};

const run = async ({ path: file, address, options, isConfiguration }) => {
  const name = path.basename(file);
  const tools = {
    options,
    resolveConfigurationProperty: (keys) => ask({ property: keys }),
    resolveVariable: (text) => ask({ variable: text }),
  };
  let value;
  try {
    value = await load(file, isConfiguration);
  } catch (error) {
    return failing(`Cannot load "${name}": Initialization error`, error);
  }
  let isCalled = false;
  if (typeof value === 'function' && !isConfiguration) {
    isCalled = true;
    try {
      value = await value(tools);
    } catch (error) {
      return failing(`Cannot resolve "${name}": Returned JS function errored with`, error);
    }
  }
  try {
    for (const key of address && value != null ? address.split('.') : []) {
      if (typeof value === 'string') value = await ask({ string: value });
      value = value[key];
      if (value == null) break;
      if (!isCalled) {
        isCalled = typeof value === 'function';
        value = await (isCalled ? value(tools) : value);
        if (value == null) break;
      }
    }
  } catch (error) {
    return failing(`Cannot resolve "${address}" out of "${name}": Received rejection`, error);
  }
  try {
    say({ result: value === undefined && address ? null : value });
  } catch (error) {
    return failing(`Cannot resolve "${name}"`, error);
  }
  return process.exit(0);
};

let buffered = '';
let isStarted = false;
process.stdin.setEncoding('utf8').on('data', (chunk) => {
  const lines = (buffered + chunk).split('\n');
  buffered = lines.pop();
  for (const line of lines) {
    const message = JSON.parse(line);
    if (isStarted) {
      waiting.shift()(message.value);
    } else {
      isStarted = true;
      run(message);
    }
  }
});
