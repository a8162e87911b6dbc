'use strict';

const { handlerOf } = require('../shared/resource');

module.exports.handler = handlerOf('CustomResourceEventBridge', () => require('./acts'));
