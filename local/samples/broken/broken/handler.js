exports.price = (items) => items.reduce((sum, item) => sum + item.price, 0);

exports.handler = async (event) => ({ total: exports.price(event.body.items ?? []) });
