'use strict';
// Stands for a function while a process waits for one.

exports.handler = async (event) => event;
