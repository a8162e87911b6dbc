'use strict';

const { handlerOf } = require('../shared/resource');

module.exports.handler = handlerOf('CustomResourceApiGatewayAccountCloudWatchRole', () => require('./acts'));
