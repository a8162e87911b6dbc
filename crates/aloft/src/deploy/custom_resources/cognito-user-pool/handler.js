'use strict';

const { handlerOf } = require('../shared/resource');

module.exports.handler = handlerOf('CustomResourceExistingCognitoUserPool', () => require('./acts'));
