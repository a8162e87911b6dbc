'use strict';

/** Takes an order; what is wrong with it is thrown. */
function take(order) {
  if (!Number.isInteger(order.quantity) || order.quantity <= 0) {
    throw new Error(`order ${order.id}: the quantity must be a positive whole number`);
  }
  console.log(`order ${order.id}: ${order.quantity} x ${order.product}`);
}

// Only the messages that are named here come back; the others of the batch are done.
exports.work = async (event) => {
  const batchItemFailures = [];
  for (const record of event.Records) {
    try {
      take(JSON.parse(record.body));
    } catch (error) {
      console.error(error.message);
      batchItemFailures.push({ itemIdentifier: record.messageId });
    }
  }
  return { batchItemFailures };
};
