'use strict';
// Node.js before it knows its function: rehearses, connects, waits to be told its environment, and becomes the bootstrap.
//
// What it loads meanwhile is Node's own and the bootstrap, which begins only then. No code of a function runs here.

const { begin, rehearse } = require('./bootstrap.cjs');
const net = require('node:net');
const path = require('node:path');
for (const name of ['buffer', 'crypto', 'events', 'fs', 'http', 'https', 'module', 'stream', 'url', 'util', 'zlib']) require(`node:${name}`);

require('./endpoint.cjs');

/** Only what differs is set: of `TZ` Node would read the time zones again, which takes longer than all the rest. */
function become(environment) {
  for (const name of Object.keys(process.env)) {
    if (environment[name] === undefined) delete process.env[name];
  }
  for (const name of Object.keys(environment)) {
    if (process.env[name] !== environment[name]) process.env[name] = environment[name];
  }
}

function wait() {
  const [host, port] = process.env.ALOFT_WAIT.split(':');
  const told = [];
  const socket = net.connect({ host, port: Number(port) });
  socket.on('error', () => process.exit(1));
  socket.on('data', (data) => told.push(data));
  socket.on('end', () => {
    become(JSON.parse(Buffer.concat(told).toString('utf8')));
    // What this directory was is covered by the function's code.
    process.chdir(process.env.LAMBDA_TASK_ROOT);
    // The path that is told by NODE_PATH.
    require('node:module')._initPaths();
    process.argv[1] = path.join(__dirname, 'bootstrap.cjs');
    begin();
  });
}

rehearse(wait);
