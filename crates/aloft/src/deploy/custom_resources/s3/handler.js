'use strict';

const { handlerOf } = require('../shared/resource');

module.exports.handler = handlerOf('CustomResourceExistingS3', () => require('./acts'));
